// The same from CommonJS.
const { Forefront } = require("forefront");

async function main() {
  const client = new Forefront({ defaultModel: "forefront-mini" });
  const completion = await client.chat.completions.create({
    messages: [{ role: "user", content: "Write a recipe for an italian dinner" }],
    temperature: 0,
  });
  console.log(completion.message.content);
}

main();
