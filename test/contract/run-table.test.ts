import { startAzurite } from "../../local/azurite/start-azurite.ts";
import { makeFakeRunTable } from "../support/fake-run-table.ts";
import { describeAzureTable } from "./azure-table.contract.ts";
import { describeRunTable } from "./run-table.contract.ts";
import { describeTableService } from "./table-service.contract.ts";

describeRunTable("the fake", async (clock) => makeFakeRunTable({ clock }));
describeTableService("Azurite", startAzurite);
describeAzureTable("Azurite", startAzurite);
