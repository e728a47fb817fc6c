import type { Presets } from '../config/parse.ts';
import { mybbMappings } from '../presets/mybb.ts';

/** The presets a configuration can name. */
export const presets: Presets = { mybb: mybbMappings };
