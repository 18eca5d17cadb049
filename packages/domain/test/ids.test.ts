// Ids: the TypeID form by its published vectors, order, and that one kind is never taken for another.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  CommandId,
  EventId,
  encodeId,
  ID_PREFIXES,
  ID_SUFFIX_LENGTH,
  type IdKind,
  ReservationId,
  reservationIdOf,
  SessionId,
  SlotId,
  UserId,
} from "../src/index.ts";

const uuidBytes = (uuid: string): Uint8Array => Buffer.from(uuid.replaceAll("-", ""), "hex");

const bytes16 = fc.uint8Array({ minLength: 16, maxLength: 16 });

const SCHEMAS = {
  user: UserId,
  session: SessionId,
  event: EventId,
  slot: SlotId,
  reservation: ReservationId,
  command: CommandId,
} as const;
const KINDS = Object.keys(SCHEMAS) as (keyof typeof SCHEMAS)[];

describe("encodeId", () => {
  // valid.json of the TypeID specification, and the example of its README.
  test.each([
    ["00000000-0000-0000-0000-000000000000", "00000000000000000000000000"],
    ["00000000-0000-0000-0000-000000000001", "00000000000000000000000001"],
    ["00000000-0000-0000-0000-00000000000a", "0000000000000000000000000a"],
    ["00000000-0000-0000-0000-000000000010", "0000000000000000000000000g"],
    ["00000000-0000-0000-0000-000000000020", "00000000000000000000000010"],
    ["ffffffff-ffff-ffff-ffff-ffffffffffff", "7zzzzzzzzzzzzzzzzzzzzzzzzz"],
    ["0110c853-1d09-52d8-d73e-1194e95b5f19", "0123456789abcdefghjkmnpqrs"],
    ["01890a5d-ac96-774b-bcce-b302099a8057", "01h455vb4pex5vsknk084sn02q"],
    ["0188bac7-4afa-78aa-bc3b-bd1eef28d881", "01h2xcejqtf2nbrexx3vqjhp41"],
  ])("writes %s as the TypeID specification does", (uuid, suffix) => {
    expect(encodeId("command", uuidBytes(uuid))).toBe(`cmd_${suffix}`);
  });

  test("loses no bit: the digits of base 32 give the bytes back", () => {
    fc.assert(
      fc.property(bytes16, (bytes) => {
        const suffix = encodeId("user", bytes).slice("usr_".length);
        expect(suffix).toHaveLength(ID_SUFFIX_LENGTH);
        const digit = (character: string) => BigInt("0123456789abcdefghjkmnpqrstvwxyz".indexOf(character));
        const value = [...suffix].reduce((sum, character) => sum * 32n + digit(character), 0n);
        expect(value.toString(16).padStart(32, "0")).toBe(Buffer.from(bytes).toString("hex"));
      }),
    );
  });

  test("keeps order: ids sort as their bytes do", () => {
    fc.assert(
      fc.property(bytes16, bytes16, (a, b) => {
        const [left, right] = [encodeId("event", a), encodeId("event", b)];
        expect(Math.sign(Buffer.compare(a, b))).toBe(left < right ? -1 : Number(left > right));
      }),
    );
  });

  test.each([0, 15, 17, 32])("throws at %i bytes", (length) => {
    expect(() => encodeId("user", new Uint8Array(length))).toThrow(RangeError);
  });

  test("gives each kind a prefix of its own", () => {
    const prefixes = Object.values(ID_PREFIXES);
    expect(new Set(prefixes).size).toBe(prefixes.length);
    for (const kind of Object.keys(ID_PREFIXES) as IdKind[]) {
      expect(encodeId(kind, new Uint8Array(16))).toBe(`${ID_PREFIXES[kind]}_${"0".repeat(ID_SUFFIX_LENGTH)}`);
    }
  });
});

describe("schemas of ids", () => {
  test.each(KINDS)("%s takes its own ids and no other kind's", (kind) => {
    fc.assert(
      fc.property(bytes16, fc.constantFrom(...KINDS), (bytes, other) => {
        expect(SCHEMAS[kind].safeParse(encodeId(other, bytes)).success).toBe(other === kind);
      }),
    );
  });

  const good = encodeId("user", uuidBytes("0188bac7-4afa-78aa-bc3b-bd1eef28d881"));
  test.each([
    ["nothing", ""],
    ["no prefix", good.slice(4)],
    ["a prefix in capitals", good.toUpperCase()],
    ["one character too few", good.slice(0, -1)],
    ["one character too many", `${good}0`],
    ["more than 128 bits", `usr_8${"z".repeat(25)}`],
    ["a letter that is not in the alphabet", `usr_${"0".repeat(25)}l`],
    ["a line break behind it", `${good}\n`],
    ["something before it", ` ${good}`],
    ["a number", 7],
    ["null", null],
  ])("refuse %s", (_, value) => {
    expect(UserId.safeParse(value).success).toBe(false);
  });

  test("name the form that is wanted", () => {
    expect(SlotId.safeParse(good).error?.issues[0]?.message).toBe("must be an id of the form slt_…");
  });
});

test("a command's reservation has an id of its own kind with the command's bits", () => {
  const id = uuidBytes("01890a5d-ac96-774b-bcce-b302099a8057");
  expect(reservationIdOf(encodeId("command", id))).toBe(encodeId("reservation", id));
  expect(ReservationId.safeParse(reservationIdOf(encodeId("command", id))).success).toBe(true);
});
