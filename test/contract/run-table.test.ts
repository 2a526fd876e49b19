import { startAzurite } from "../../local/azurite/start-azurite.ts";
import type { Clock } from "../../shared/clock.ts";
import { makeFakeRunTable } from "../support/fake-run-table.ts";
import { describeActionLog } from "./action-log.contract.ts";
import { describeAzureTable } from "./azure-table.contract.ts";
import { describeInstanceTable } from "./instance-table.contract.ts";
import { describeRunPlaces } from "./run-places.contract.ts";
import { describeRunSearch } from "./run-search.contract.ts";
import { describeRunTable } from "./run-table.contract.ts";
import { describeTableService } from "./table-service.contract.ts";

const makeFake = async (clock: Clock) => makeFakeRunTable({ clock });
describeRunTable("the fake", makeFake);
describeRunPlaces("the fake", makeFake);
describeRunSearch("the fake", makeFake);
describeInstanceTable("the fake", makeFake);
describeActionLog("the fake", makeFake);
describeTableService("Azurite", startAzurite);
describeAzureTable("Azurite", startAzurite);
