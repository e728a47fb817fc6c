const DEVICE = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)$/i;

/** Whether Windows takes the name for a device, with any extension: `CON`, `aux.html`, `nul .txt`. */
export function isDeviceName(name: string): boolean {
  const dot = name.indexOf('.');
  return DEVICE.test((dot < 0 ? name : name.slice(0, dot)).replace(/ +$/, ''));
}
