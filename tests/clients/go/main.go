// Command client asks a running gateway with the generated Go client, and prints what it saw as one JSON object:
// client ADDRESS KEY
package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"

	responsesv1 "example.com/client/gen/concentrate/responses/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

type seen struct {
	Text   string   `json:"text"`
	Model  string   `json:"model"`
	Deltas []string `json:"deltas"`
	Final  string   `json:"final"`
	Code   string   `json:"code"`
	Reason string   `json:"reason"`
}

func main() {
	connection, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(err)
	defer connection.Close()
	client := responsesv1.NewResponsesServiceClient(connection)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+os.Args[2])

	saw := seen{}
	response, err := client.CreateResponse(ctx, ask("sandbox/echo"))
	must(err)
	saw.Text = text(response)
	saw.Model = response.GetModel()

	stream, err := client.StreamResponse(ctx, ask("sandbox/echo"))
	must(err)
	for {
		event, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		must(err)
		switch held := event.GetEvent().(type) {
		case *responsesv1.StreamEvent_ResponseOutputTextDelta:
			saw.Deltas = append(saw.Deltas, held.ResponseOutputTextDelta.GetDelta())
		case *responsesv1.StreamEvent_ResponseCompleted:
			saw.Final = text(held.ResponseCompleted.GetResponse())
		}
	}

	_, err = client.CreateResponse(ctx, ask("no/such-model"))
	saw.Code = status.Code(err).String()
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			saw.Reason = info.GetReason()
		}
	}
	must(json.NewEncoder(os.Stdout).Encode(saw))
}

func ask(model string) *responsesv1.CreateResponseRequest {
	return &responsesv1.CreateResponseRequest{
		Model: model,
		Input: &responsesv1.CreateResponseRequest_InputText{InputText: "Good morning, world"},
	}
}

func text(response *responsesv1.Response) string {
	all := ""
	for _, item := range response.GetOutput() {
		for _, part := range item.GetMessage().GetContent() {
			all += part.GetOutputText().GetText()
		}
	}
	return all
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
