// Lists the models, asks one, streams an answer, and shows a typed error.
//
//	llm-gateway serve &
//	go run ./examples/chat [MODEL]
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/llmgateway/llmgateway/clients/go/llmgateway"
	v1 "github.com/llmgateway/llmgateway/clients/go/llmgateway/v1"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	address := cmp.Or(os.Getenv("LLM_GATEWAY_ADDRESS"), "127.0.0.1:50051")
	gateway, err := llmgateway.New(address, llmgateway.WithAPIKey(os.Getenv("LLM_GATEWAY_API_KEY")))
	if err != nil {
		return err
	}
	defer gateway.Close()

	models, _, err := gateway.ListModels(ctx, nil)
	if err != nil {
		return err
	}
	model := models[0].GetProvider() + "/" + models[0].GetModelId()
	fmt.Printf("%d models, such as %s\n", len(models), model)
	if len(os.Args) > 1 {
		model = os.Args[1]
	}

	reply, err := gateway.Chat(ctx, model, llmgateway.System("Be brief."), llmgateway.User("Say hello."))
	if err != nil {
		return err
	}
	fmt.Printf("%s: %s\n", reply.Response.GetRoute().GetProvider(), reply.Text())

	history := []*v1.Message{llmgateway.User("Say hello."), reply.Message(), llmgateway.User("And goodbye?")}
	stream, err := gateway.Stream(ctx, &v1.StreamSendRequest{Request: &v1.SendRequest{Model: model, Messages: history}})
	if err != nil {
		return err
	}
	for text, err := range stream.Text() {
		if err != nil {
			return err
		}
		fmt.Print(text)
	}
	fmt.Printf("\n%d tokens\n", stream.Reply().Response.GetUsage().GetOutputTokens())

	_, err = gateway.Chat(ctx, "no-such-model", llmgateway.User("Say hello."))
	var failure *llmgateway.Error
	if errors.As(err, &failure) {
		fmt.Printf("%s, retryable: %t\n", failure.Reason, failure.Retryable())
	}
	return nil
}
