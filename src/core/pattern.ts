export interface Pattern { text: string }
