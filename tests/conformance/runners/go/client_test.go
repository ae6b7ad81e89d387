package main

import (
	"testing"

	"github.com/llmgateway/llmgateway/clients/go/llmgateway"
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
