import type { Presets } from '../config/parse.ts';
import { mybbMappings } from './mybb.ts';

/** The presets a configuration can name. */
export const presets: Presets = { mybb: mybbMappings };
