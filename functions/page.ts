import type { HttpRequest, HttpResponseInit, InvocationContext } from "@azure/functions";
import type { Page } from "../shared/compose-page.ts";
import { logOf } from "./log-of.ts";

/** Answers requests for the page and for its API. Who may ask what is not decided here: see shared/api/. */
export function makePageHandler(page: Page, instance: string) {
  return async (request: HttpRequest, context: InvocationContext): Promise<HttpResponseInit> => {
    const { pathname, searchParams } = new URL(request.url);
    const asked = {
      method: request.method,
      path: pathname,
      query: searchParams,
      headers: new Map(request.headers),
      body: () => request.text(),
    };
    const { status, headers, body } = await page(asked, logOf(context, instance));
    return { status, headers, ...(body === undefined ? {} : { body }) };
  };
}
