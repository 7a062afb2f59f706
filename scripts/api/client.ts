// A client as openapi-typescript makes it: it must fit its types, and get answers.
import createClient from "openapi-fetch";
import type { paths } from "./schema";

declare const process: { env: Record<string, string | undefined> };

const client = createClient<paths>({
  baseUrl: process.env.WESAL_GATEWAY ?? "",
  headers: { "X-Api-Key": process.env.WESAL_GATEWAY_KEY ?? "" },
});

function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

const organization = await client.GET("/api/v1/queries/organization");
const company: number | undefined = organization.data?.data.companies[0]?.id;
must(company !== undefined, "no company");

const questions = await client.GET("/api/v1/survey/queries/questions/{companyId}", {
  params: { path: { companyId: company } },
});
must((questions.data?.data.questions.length ?? 0) > 0, "no questions");

const queues = ["01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dxx"];
const summary = await client.POST("/api/v1/analytics/runtime/queues/summary", { body: { queues } });
must(summary.data?.data.result[0]?.name === "Sales", "no summary");

const interval = "2024-01-28T09:00:00.000Z/2024-01-28T10:00:00.000Z";
const performance = await client.POST("/api/v1/analytics/queues/performance", { body: { queues, interval } });
must(performance.data?.data.result[0]?.queryId === queues[0], "no performance");

const refused = await client.POST("/api/v1/survey/queries/surveys", { body: { companyId: 1, limit: 0 } });
must(refused.error?.code === "invalid_request" && refused.error.errors[0] !== undefined, "no problem document");

// @ts-expect-error: queues are mandatory.
const incomplete = await client.POST("/api/v1/analytics/runtime/queues/summary", { body: {} });
must(incomplete.error?.code === "missing_parameter", "what does not fit the types is not refused");

console.log("the TypeScript client fits, and is answered");
