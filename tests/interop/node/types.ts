// Compiled, not run: a Zod schema gives `parsed` its type.
import { z } from "zod";
import Forefront from "../../../clients/node/dist/esm/index.js";

const schema = z.object({ name: z.string(), time: z.number().transform((minutes) => `${minutes} min`) });
const { parsed } = await new Forefront("KEY").chat.completions.parse({ messages: [], response_format: schema });
const name: string = parsed.name;
const time: string = parsed.time;
// @ts-expect-error no such property
void parsed.other;
void [name, time];
