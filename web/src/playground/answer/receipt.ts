import type { Receipt } from "../conversation/message";
import { SAMPLING_FIELDS } from "../request/settings";

const NAMES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(SAMPLING_FIELDS.map(({ name, label }) => [name, label])),
  weights: "Weights",
  quantization: "Precision",
  engine: "Engine",
  queue_ms: "In the queue",
  prefill_ms: "Reading the prompt",
  decode_ms: "Generating",
};

/** The rows of a receipt, members of objects one by one. Null is left out. */
export function receiptRows(receipt: Receipt): [string, string][] {
  const rows: [string, string][] = [];
  for (const [name, value] of Object.entries(receipt)) {
    if (value === null || value === undefined) continue;
    if (typeof value === "object") rows.push(...receiptRows(value as Receipt));
    else rows.push([NAMES[name] ?? name, name.endsWith("_ms") ? `${Number(value).toFixed(1)} ms` : String(value)]);
  }
  return rows;
}
