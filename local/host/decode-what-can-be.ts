import rhea from "rhea";
import { headOf } from "../broker/message-content.ts";

type Decode = (encoded: Buffer) => unknown;

/**
 * Has this process's AMQP clients hand on a message without its body where that can't be decoded, lists nested by the thousand most likely. As
 * rhea is, such a message breaks the connection that it comes over, with all else on its way there, at each of its deliveries.
 */
export function decodeWhatCanBe(): void {
  const decode: Decode & { isPatient?: true } = Reflect.get(rhea.message, "decode");
  if (decode.isPatient) return;
  const patient: Decode & { isPatient?: true } = (encoded) => {
    try {
      return decode(encoded);
    } catch {
      return decode(headOf(encoded));
    }
  };
  patient.isPatient = true;
  Reflect.set(rhea.message, "decode", patient);
}
