const EDITOR_FILE = new RegExp(
  [
    '^4913$', // vim's probe of a directory
    '~$', // backups
    '^\\..*\\.sw[a-z]$', // vim's swap files
    '^#.*#$', // Emacs' auto-save
    '^\\.#', // Emacs' locks
    '___jb_[a-z]+___$', // JetBrains' safe write
    '^\\.goutputstream-', // GLib
    '^\\.~lock\\.', // LibreOffice
  ].join('|'),
  'su',
);

/** Whether a file of this name (its last segment) is one that editors make for themselves while saving; such files are no items. */
export function isEditorFile(name: string): boolean {
  return EDITOR_FILE.test(name);
}
