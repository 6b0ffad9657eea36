// Writes the JSON schemas that Zod, Valibot and ArkType make of their types: `node emit_schemas.mjs > FILE`.
// tests/chat/grammar/node_schemas.json is what it wrote.
import { type } from "arktype";
import { toJsonSchema } from "@valibot/to-json-schema";
import * as v from "valibot";
import { z } from "zod";

const found = [];
function add(library, name, emit) {
  try {
    found.push({ library, name, schema: emit() });
  } catch (error) {
    found.push({ library, name, unrepresentable: String(error.message).slice(0, 80) });
  }
}

const category = z.object({ name: z.string(), get children() { return z.array(category); } });
const cat = z.object({ kind: z.literal("cat"), lives: z.number() });
const dog = z.object({ kind: z.literal("dog"), barks: z.boolean() });
const zod = {
  string: z.string(), number: z.number(), int: z.int(), int32: z.int32(), uint32: z.uint32(), float32: z.float32(),
  float64: z.float64(), bigint: z.bigint(), boolean: z.boolean(), null: z.null(), any: z.any(), unknown: z.unknown(),
  never: z.never(), undefined: z.undefined(), void: z.void(), date: z.date(), nan: z.nan(), symbol: z.symbol(),
  min: z.string().min(2).max(5), length: z.string().length(4), nonempty: z.string().nonempty(),
  regex: z.string().regex(/^[a-z]+\d$/), regexSearch: z.string().regex(/\bfoo|bar/), regexSpace: z.string().regex(/^\w+\s\w+$/),
  startsWith: z.string().startsWith("ab"), endsWith: z.string().endsWith("yz"), includes: z.string().includes("mid"),
  uppercase: z.string().uppercase(), lowercase: z.string().lowercase(), email: z.email(), uuid: z.uuid(), uuidv4: z.uuidv4(),
  uuidv6: z.uuidv6(), uuidv7: z.uuidv7(), guid: z.guid(), url: z.url(), httpUrl: z.httpUrl(), hostname: z.hostname(),
  emoji: z.emoji(), base64: z.base64(), base64url: z.base64url(), hex: z.hex(), jwt: z.jwt(), nanoid: z.nanoid(),
  cuid: z.cuid(), cuid2: z.cuid2(), ulid: z.ulid(), xid: z.xid(), ksuid: z.ksuid(), ipv4: z.ipv4(), ipv6: z.ipv6(),
  mac: z.mac(), cidrv4: z.cidrv4(), cidrv6: z.cidrv6(), e164: z.e164(), isoDate: z.iso.date(), isoTime: z.iso.time(),
  isoDatetime: z.iso.datetime(), isoDatetimeOffset: z.iso.datetime({ offset: true }), isoDuration: z.iso.duration(),
  isoMinute: z.iso.datetime({ precision: -1 }), hash: z.hash("md5"),
  positive: z.number().positive(), nonnegative: z.number().nonnegative(), range: z.number().min(-1.5).max(2.5),
  gtlt: z.number().gt(1).lt(4), multipleOf: z.number().multipleOf(0.5), intMultiple: z.int().multipleOf(7).min(10),
  literal: z.literal("a"), literals: z.literal(["a", 1, true, null]), enum: z.enum(["a", "b"]), nativeEnum: z.enum({ A: 0, B: "b" }),
  templateLiteral: z.templateLiteral(["v", z.number(), "-", z.enum(["x", "y"])]), stringbool: z.stringbool(),
  array: z.array(z.number()), arrayMin: z.array(z.string()).min(1).max(3), arrayLength: z.array(z.int()).length(2),
  tuple: z.tuple([z.string(), z.number()]), tupleRest: z.tuple([z.string()], z.number()), set: z.set(z.string()), map: z.map(z.string(), z.number()),
  object: z.object({ a: z.string(), b: z.number().optional() }), strictObject: z.strictObject({ a: z.string() }),
  looseObject: z.looseObject({ a: z.string() }), catchall: z.object({ a: z.string() }).catchall(z.number()), emptyObject: z.object({}),
  record: z.record(z.string(), z.number()), recordEnum: z.record(z.enum(["x", "y"]), z.number()),
  partialRecord: z.partialRecord(z.enum(["x", "y"]), z.number()), looseRecord: z.looseRecord(z.string().regex(/_id$/), z.string()),
  recordRegex: z.record(z.string().regex(/^[a-z]+$/), z.number()), recordEmail: z.record(z.email(), z.boolean()),
  union: z.union([z.string(), z.number()]), nullable: z.string().nullable(), nullish: z.string().nullish(), optional: z.string().optional(),
  discriminatedUnion: z.discriminatedUnion("kind", [cat, dog]), xor: z.xor([z.object({ a: z.string() }), z.object({ b: z.number() })]),
  intersection: z.intersection(z.object({ a: z.string() }), z.object({ b: z.number() })), and: cat.and(z.object({ name: z.string() })),
  extend: cat.extend({ name: z.string() }), pick: cat.pick({ kind: true }), partial: cat.partial(), lazy: category, json: z.json(),
  default: z.string().default("x"), prefault: z.string().prefault("x"), catch: z.number().catch(1), readonly: z.array(z.string()).readonly(),
  brand: z.string().brand("B"), refine: z.string().refine((text) => text.length < 99), describe: z.string().describe("text"),
  meta: z.string().meta({ title: "T", examples: ["a"] }), pipe: z.string().pipe(z.string().min(1)), file: z.file(), promise: z.promise(z.string()),
  coerce: z.coerce.number(), nested: z.object({ list: z.array(z.object({ mail: z.email(), at: z.iso.datetime().nullable() })) }),
};
for (const [name, schema] of Object.entries(zod)) add("Zod", name, () => z.toJSONSchema(schema));
for (const name of ["object", "lazy", "discriminatedUnion", "tuple", "nullable", "record", "range"]) {
  add("Zod", `${name} (draft-7)`, () => z.toJSONSchema(zod[name], { target: "draft-7" }));
  add("Zod", `${name} (input)`, () => z.toJSONSchema(zod[name], { io: "input" }));
}

const tree = v.object({ name: v.string(), children: v.array(v.lazy(() => tree)) });
const valibot = {
  string: v.string(), number: v.number(), boolean: v.boolean(), null: v.null(), any: v.any(), unknown: v.unknown(),
  literal: v.literal("a"), picklist: v.picklist(["a", "b", 3]), enum: v.enum({ A: "a", B: 2 }), array: v.array(v.number()),
  tuple: v.tuple([v.string(), v.number()]), strictTuple: v.strictTuple([v.string()]), looseTuple: v.looseTuple([v.string()]),
  tupleWithRest: v.tupleWithRest([v.string()], v.number()), object: v.object({ a: v.string(), b: v.optional(v.number()) }),
  strictObject: v.strictObject({ a: v.string() }), looseObject: v.looseObject({ a: v.string() }),
  objectWithRest: v.objectWithRest({ a: v.string() }, v.number()), record: v.record(v.string(), v.number()),
  recordKeys: v.record(v.pipe(v.string(), v.minLength(2)), v.number()), recordPicklist: v.record(v.picklist(["x", "y"]), v.number()),
  union: v.union([v.string(), v.number()]), variant: v.variant("kind", [v.object({ kind: v.literal("a"), x: v.number() }), v.object({ kind: v.literal("b") })]),
  intersect: v.intersect([v.object({ a: v.string() }), v.object({ b: v.number() })]), nullable: v.nullable(v.string()), nullish: v.nullish(v.string()),
  lazy: tree, email: v.pipe(v.string(), v.email()), rfcEmail: v.pipe(v.string(), v.rfcEmail()), uuid: v.pipe(v.string(), v.uuid()), url: v.pipe(v.string(), v.url()), ipv4: v.pipe(v.string(), v.ipv4()),
  ipv6: v.pipe(v.string(), v.ipv6()), isoDate: v.pipe(v.string(), v.isoDate()), isoDateTime: v.pipe(v.string(), v.isoDateTime()),
  isoTimestamp: v.pipe(v.string(), v.isoTimestamp()), isoTime: v.pipe(v.string(), v.isoTime()), regex: v.pipe(v.string(), v.regex(/^\S+\d$/)),
  minMax: v.pipe(v.string(), v.minLength(1), v.maxLength(4)), length: v.pipe(v.string(), v.length(3)), nonEmpty: v.pipe(v.string(), v.nonEmpty()),
  integer: v.pipe(v.number(), v.integer()), minValue: v.pipe(v.number(), v.minValue(1), v.maxValue(9.5)), gtValue: v.pipe(v.number(), v.gtValue(1), v.ltValue(2)),
  multipleOf: v.pipe(v.number(), v.multipleOf(4)), arrayLength: v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(2)),
  base64: v.pipe(v.string(), v.base64()), bic: v.pipe(v.string(), v.bic()), cuid2: v.pipe(v.string(), v.cuid2()), decimal: v.pipe(v.string(), v.decimal()),
  digits: v.pipe(v.string(), v.digits()), emoji: v.pipe(v.string(), v.emoji()), hexColor: v.pipe(v.string(), v.hexColor()), hexadecimal: v.pipe(v.string(), v.hexadecimal()),
  nanoid: v.pipe(v.string(), v.nanoid()), octal: v.pipe(v.string(), v.octal()), ulid: v.pipe(v.string(), v.ulid()), description: v.pipe(v.string(), v.description("d"), v.title("t")),
  minEntries: v.pipe(v.record(v.string(), v.number()), v.minEntries(1), v.maxEntries(3)), exact: v.object({ a: v.exactOptional(v.string()) }),
  value: v.pipe(v.string(), v.value("x")), partial: v.partial(v.object({ a: v.string(), b: v.number() })), readonly: v.pipe(v.array(v.string()), v.readonly()),
  set: v.set(v.string()), date: v.date(), bigint: v.bigint(), never: v.never(), undefined: v.undefined(),
};
for (const [name, schema] of Object.entries(valibot)) add("Valibot", name, () => toJsonSchema(schema));

const arktype = {
  string: "string", number: "number", boolean: "boolean", null: "null", unknown: "unknown", literal: "'a' | 'b' | 3 | true | null", range: "1 <= number <= 5",
  exclusive: "0 < number < 1", divisible: "number % 5", integer: "number.integer", length: "2 <= string <= 4", exactLength: "string == 3", regex: /^[a-z]+-\d{2}$/,
  email: "string.email", uuid: "string.uuid", uuid4: "string.uuid.v4", url: "string.url", ip: "string.ip", ipv4: "string.ip.v4", ipv6: "string.ip.v6", date: "string.date.iso", alpha: "string.alpha",
  alphanumeric: "string.alphanumeric", digits: "string.digits", hex: "string.hex", integerString: "string.integer", numeric: "string.numeric", lower: "string.lower", upper: "string.upper",
  base64: "string.base64", semver: "string.semver", creditCard: "string.creditCard", json: "string.json", array: "string[]", arrayRange: "1 <= number[] <= 3",
  object: { name: "string", "age?": "number" }, strict: { "+": "reject", name: "string" }, loose: { "+": "ignore", name: "string" },
  index: { "[string]": "number" }, indexPattern: { "[/^x/]": "string", name: "boolean" }, nested: { list: [{ at: "string" }, "[]"] },
  tuple: ["string", "number"], variadic: ["string", "...", "number[]"], optionalTuple: ["string", "number?"], postfix: ["...", "string[]", "number"],
  union: "string | number[]", discriminated: [{ kind: "'a'", x: "number" }, "|", { kind: "'b'", y: "string" }], intersection: [{ a: "string" }, "&", { b: "number" }],
  record: "Record<string, number>", partial: "Partial<{ a: string, b: number }>", safe: "number.safe", epoch: "number.epoch", port: "string.numeric", bigint: "bigint", dateObject: "Date",
};
for (const [name, definition] of Object.entries(arktype)) add("ArkType", name, () => type(definition).toJsonSchema());
const scope = type.module({ node: { value: "number", "next?": "node" } });
add("ArkType", "recursive", () => scope.node.toJsonSchema());
process.stdout.write(JSON.stringify(found, null, 1) + "\n");
