// Run by "npm install" in a clone. Without husky (--omit=dev) or without git there is nothing to wire, and nothing to fail.
try {
  const { default: husky } = await import('husky');
  const message = husky();
  if (message) process.stdout.write(`${message}\n`);
} catch (error) {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
}
