// Asks a running gateway with the generated TypeScript client, over gRPC and over gRPC-Web, and prints what it saw as one
// JSON object: node build/src/main.js URL KEY
import { create } from "@bufbuild/protobuf";
import { type Client, ConnectError, Code, createClient, type Transport } from "@connectrpc/connect";
import { createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { type Response } from "../gen/concentrate/responses/v1/response_pb.js";
import { CreateResponseRequestSchema, ResponsesService } from "../gen/concentrate/responses/v1/responses_service_pb.js";

const [baseUrl, key] = process.argv.slice(2) as [string, string];
const headers = { authorization: `Bearer ${key}` };

const ask = (model: string) =>
  create(CreateResponseRequestSchema, { model, input: { case: "inputText", value: "Good morning, world" } });

const text = (response: Response) =>
  response.output
    .flatMap((item) => (item.item.case === "message" ? item.item.value.content : []))
    .map((part) => (part.part.case === "outputText" ? part.part.value.text : ""))
    .join("");

async function see(client: Client<typeof ResponsesService>) {
  const response = await client.createResponse(ask("sandbox/echo"), { headers });
  const deltas: string[] = [];
  let final = "";
  for await (const { event } of client.streamResponse(ask("sandbox/echo"), { headers })) {
    if (event.case === "responseOutputTextDelta") deltas.push(event.value.delta);
    if (event.case === "responseCompleted" && event.value.response) final = text(event.value.response);
  }
  let code = "OK";
  await client.createResponse(ask("no/such-model"), { headers }).catch((error: unknown) => {
    code = Code[ConnectError.from(error).code] ?? "?";
  });
  return { text: text(response), model: response.model, deltas, final, code };
}

const over = (transport: Transport) => see(createClient(ResponsesService, transport));
console.log(
  JSON.stringify({
    grpc: await over(createGrpcTransport({ baseUrl })),
    web: await over(createGrpcWebTransport({ baseUrl, httpVersion: "1.1" })),
  }),
);
