import { z } from "zod";
import { NAMED } from "./answer-parts.ts";
import { problemSchema } from "./problem.ts";
import type { Route } from "./route.ts";

type Json = Readonly<Record<string, unknown>>;

/** Describes the routes as OpenAPI 3.1, from the schemas that check requests and that answers are made by. */
export function openApi(routes: readonly Route[], { version }: { readonly version: string }): Json {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) (paths[route.path] ??= {})[route.method.toLowerCase()] = operationOf(route);
  return {
    openapi: "3.1.0",
    info: {
      title: "Dispatcher",
      version,
      description:
        "Shows what a Dispatcher does with its messages, and does what only a person may decide. A GET changes nothing, and its answer has an ETag. An action is a POST of JSON with the header X-Dispatcher; with dryRun it only says what would be done.",
    },
    servers: [{ url: "/api/v1" }],
    security: [{ token: [] }],
    paths,
    components: {
      schemas: { ...namedSchemas(), Problem: schemaOf(problemSchema, "output") },
      securitySchemes: {
        token: {
          type: "http",
          scheme: "bearer",
          description: "What `dispatcher ui` prints. In a cluster, the ID token of a login, which a proxy sends.",
        },
      },
    },
  };
}

function operationOf(route: Route): Json {
  return {
    operationId: route.name,
    summary: route.says,
    tags: [route.method === "GET" ? "Looks" : "Actions"],
    "x-role": route.role,
    parameters: [...parametersOf(route.params, "path"), ...parametersOf(route.query, "query"), ...headersOf(route)],
    ...(route.body
      ? { requestBody: { required: true, content: { "application/json": { schema: schemaOf(route.body, "input") } } } }
      : {}),
    responses: {
      200: { description: "Answered.", content: { "application/json": { schema: referenceTo(route.answer) } } },
      ...(route.method === "GET" ? { 304: { description: "What If-None-Match names is still right." } } : {}),
      default: {
        description: "What is wrong with the request, or why it can't be answered.",
        content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
      },
    },
  };
}

function headersOf({ method }: Route): Json[] {
  if (method === "GET") return [{ name: "If-None-Match", in: "header", schema: { type: "string" } }];
  return [{ name: "X-Dispatcher", in: "header", required: true, schema: { type: "string" } }];
}

function parametersOf(fields: z.ZodObject, where: "path" | "query"): Json[] {
  return Object.entries(fields.shape).map(([name, field]) => {
    const { description, ...schema } = schemaOf(field, "output");
    return {
      name,
      in: where,
      required: where === "path" || !isOptional(field),
      ...(description ? { description } : {}),
      schema,
    };
  });
}

/** Whether a field may be left out. */
function isOptional(field: z.core.$ZodType): boolean {
  return z.safeParse(field, undefined).success;
}

function referenceTo(schema: z.ZodType): Json {
  const id = NAMED.get(schema)?.id;
  return id === undefined ? schemaOf(schema, "output") : { $ref: placeOf(id) };
}

function placeOf(id: string): string {
  return `#/components/schemas/${id}`;
}

/** The named schemas, which refer to one another. */
function namedSchemas(): Record<string, Json> {
  const { schemas } = z.toJSONSchema(NAMED, { uri: placeOf, unrepresentable: "any" });
  return Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, withoutDialect(schema)]));
}

function schemaOf(schema: z.core.$ZodType, io: "input" | "output"): Json & { readonly description?: unknown } {
  return withoutDialect(z.toJSONSchema(schema, { io, unrepresentable: "any" }));
}

/** OpenAPI 3.1 speaks this dialect anyway, and gives each schema its place. */
function withoutDialect(schema: object): Json {
  return Object.fromEntries(Object.entries(schema).filter(([name]) => name !== "$schema" && name !== "$id"));
}
