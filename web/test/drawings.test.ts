import { expect, test, vi } from "vitest";
import { Drawings } from "../src/playground/markdown/drawings";

/** Draws formulas of `elements` elements, each of `rounds` times; returns how often they had to be drawn. */
function draw(formulas: number, elements: number, rounds: number): number {
  vi.spyOn(performance, "now").mockReturnValue(0); // every frame has time left
  let drawn = 0;
  const drawing = { cloneNode: () => drawing, getElementsByTagName: () => ({ length: elements }) } as unknown as HTMLElement;
  const drawings = new Drawings(() => (drawn++, drawing));
  const place = { classList: { contains: () => false }, replaceChildren: () => undefined } as unknown as HTMLElement;
  for (let round = 0; round < rounds; round++) for (let at = 0; at < formulas; at++) drawings.show(place, `x_${at}`);
  return drawn;
}

test("drawings are kept", () => {
  expect(draw(400, 100, 3)).toBe(400);
});

test("the elements of all kept drawings are bounded", () => {
  expect(draw(5, 20_000, 2)).toBe(5);
  expect(draw(6, 20_000, 2)).toBe(12);
});
