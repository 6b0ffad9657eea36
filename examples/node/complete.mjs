// Continue a text, without a conversation; and which models there are.
import Forefront from "forefront";

const client = new Forefront();

for (const model of (await client.models.list()).data) {
  console.log(`${model.id}: ${model.context_length} tokens`);
}
const completion = await client.completions.create({
  model: "forefront-mini",
  prompt: "Pizza with olives and peppers\n\nServes 2, ready in 35 minutes.\n\nIngredients:\n-",
  temperature: 0,
  stop: "Steps",
});
console.log(completion.choices[0].text);
