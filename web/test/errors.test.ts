import { expect, test } from "vitest";
import { explain, parseError } from "../src/api/errors";

test("an error object of the API", () => {
  const body = '{"error": {"message": "Too many requests.", "code": "rate_limit_exceeded", "param": null}}';
  const error = parseError(429, body, "2.5");
  expect([error.status, error.code, error.retryAfter, error.param]).toEqual([429, "rate_limit_exceeded", 2.5, null]);
  expect(explain(error)).toBe("Too many requests. Try again in 3 s.");
});

test("a date of a proxy in place of seconds is left out", () => {
  const body = '{"error": {"message": "Too many requests.", "code": "rate_limit_exceeded"}}';
  expect(explain(parseError(429, body, "Wed, 21 Oct 2026 07:28:00 GMT"))).toBe("Too many requests.");
});

test.each(["", "<html>502</html>", "{}", "null", "[1]", '{"error": null}'])("a body that is no error object: %s", (body) => {
  expect(explain(parseError(502, body))).toBe("The server answered with status 502.");
});
