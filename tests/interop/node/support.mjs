// What every peer needs: the server that FOREFRONT_BASE_URL and FOREFRONT_API_KEY name.
export const MODEL = "forefront-mini";
export const { FOREFRONT_BASE_URL: SERVER, FOREFRONT_API_KEY: KEY } = process.env;
if (!SERVER || !KEY) {
  throw new Error("FOREFRONT_BASE_URL and FOREFRONT_API_KEY must name a server"); // or the peers would call their own
}
export const ASK = {
  model: MODEL,
  messages: [{ role: "user", content: "Write a recipe for an italian dinner" }],
  max_tokens: 24,
  temperature: 0,
};

export async function collect(iterable) {
  const items = [];
  for await (const item of iterable) {
    items.push(item);
  }
  return items;
}
