package main

import (
	"context"
	"errors"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/llmgateway/llmgateway/clients/go/llmgateway"
	adminv1 "github.com/llmgateway/llmgateway/clients/go/llmgateway/admin/v1"
	v1 "github.com/llmgateway/llmgateway/clients/go/llmgateway/v1"
)

// A key goes in plaintext to this machine only, unless the program says otherwise.
func TestKeyInPlaintext(t *testing.T) {
	key := llmgateway.WithAPIKey("k1")
	for address, allowed := range map[string]bool{
		"127.0.0.1:50051":           true,
		"127.9.9.9:1":               true,
		"localhost:50051":           true,
		"[::1]:50051":               true,
		"unix:///run/gateway.sock":  true,
		"dns:///localhost:50051":    true,
		"dns://8.8.8.8/localhost:1": false,
		"gateway.example:50051":     false,
		"10.0.0.1:50051":            false,
		"localhost.example:50051":   false,
		"127.0.0.1.example:50051":   false,
	} {
		if _, err := llmgateway.New(address, key); (err == nil) != allowed {
			t.Errorf("%s: %v", address, err)
		}
		if _, err := llmgateway.New(address, key, llmgateway.WithInsecure()); err != nil {
			t.Errorf("%s, insecure: %v", address, err)
		}
		if _, err := llmgateway.New(address, key, llmgateway.WithTLS(nil)); err != nil {
			t.Errorf("%s, TLS: %v", address, err)
		}
	}
}

// A key that headers cannot carry is refused where it is given.
func TestKeyOfOddCharacters(t *testing.T) {
	for _, key := range []string{"a\nb", "schlüssel"} {
		if _, err := llmgateway.New("127.0.0.1:1", llmgateway.WithAPIKey(key)); err == nil {
			t.Errorf("%q was taken", key)
		}
	}
}

// A fold may be looked at while it grows, and the events are left as they came.
func TestAccumulatorGrows(t *testing.T) {
	started := &v1.PartStarted{Part: &v1.Part{Kind: &v1.Part_Text{Text: &v1.TextPart{Text: "a"}}}}
	delta := &v1.PartDelta{Delta: &v1.PartDelta_Text{Text: "b"}}
	accumulator := llmgateway.NewAccumulator()
	accumulator.Add(&v1.StreamSendResponse{Event: &v1.StreamSendResponse_PartStarted{PartStarted: started}})
	for _, want := range []string{"ab", "abb"} {
		accumulator.Add(&v1.StreamSendResponse{Event: &v1.StreamSendResponse_PartDelta{PartDelta: delta}})
		reply := llmgateway.Reply{Response: accumulator.Response()}
		if reply.Text() != want || accumulator.Finished() {
			t.Errorf("%q, finished %t", reply.Text(), accumulator.Finished())
		}
	}
	if started.Part.GetText().Text != "a" {
		t.Error("the event changed")
	}
}

// providers answers with the authorization that it was called with.
type providers struct {
	adminv1.UnimplementedProviderServiceServer
}

func (providers) GetProvider(ctx context.Context, request *adminv1.GetProviderRequest) (*adminv1.GetProviderResponse, error) {
	if request.Name == "" {
		return nil, status.Error(codes.InvalidArgument, "no name")
	}
	_, limited := ctx.Deadline()
	called, _ := metadata.FromIncomingContext(ctx)
	return &adminv1.GetProviderResponse{Provider: &adminv1.Provider{Name: request.Name, Kind: called["authorization"][0], Local: limited}}, nil
}

// The stubs of the administration go over a client's connection: with its key, its deadline and its errors.
func TestAdministration(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	adminv1.RegisterProviderServiceServer(server, providers{})
	go server.Serve(listener)
	defer server.Stop()
	client, err := llmgateway.New(listener.Addr().String(), llmgateway.WithAPIKey("k1"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := adminv1.NewProviderServiceClient(client.Connection())
	found, err := admin.GetProvider(context.Background(), &adminv1.GetProviderRequest{Name: "providers/edge"})
	if err != nil || found.Provider.Kind != "Bearer k1" || !found.Provider.Local {
		t.Errorf("%v, %v", found, err)
	}
	_, err = admin.GetProvider(context.Background(), &adminv1.GetProviderRequest{})
	if failure := new(llmgateway.Error); !errors.As(err, &failure) || failure.Code != codes.InvalidArgument {
		t.Errorf("%v", err)
	}
}
