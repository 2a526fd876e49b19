import { startSettlementService } from "../../local/host-link/settlement-service.ts";
import { offerDeliveries } from "../../shared/adapters/standalone-host/offered-deliveries.ts";

// Node loads this before the host of a replica. It gives that host the Settlement service that the Functions host has
// for its workers, in front of the deliveries that the standalone host offers in its process.

await startSettlementService(offerDeliveries(), { port: Number(process.env["PROOF_SETTLEMENT_PORT"]) });
