// The runner of the Go client; README.md of the suite has the protocol.
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/llmgateway/llmgateway/clients/go/llmgateway"
	v1 "github.com/llmgateway/llmgateway/clients/go/llmgateway/v1"
)

type conversation struct {
	ID          string            `json:"id"`
	Address     string            `json:"address"`
	Mode        string            `json:"mode"`
	Request     []byte            `json:"request"`
	Options     []byte            `json:"options"`
	APIKey      string            `json:"api_key"`
	DeadlineMS  int               `json:"deadline_ms"`
	CancelAfter int               `json:"cancel_after"`
	IdleMS      int               `json:"idle_ms"`
	Metadata    map[string]string `json:"metadata"`
	Trace       map[string]string `json:"trace"`
}

type violation struct {
	Field       string `json:"field"`
	Description string `json:"description"`
	Reason      string `json:"reason"`
}

type failure struct {
	Code         string            `json:"code"`
	Reason       string            `json:"reason"`
	Message      string            `json:"message"`
	Told         string            `json:"told"`
	Metadata     map[string]string `json:"metadata"`
	RetryDelayMS *int64            `json:"retry_delay_ms"`
	Retryable    bool              `json:"retryable"`
	Attempts     []string          `json:"attempts"`
	Violations   []violation       `json:"violations"`
}

type result struct {
	ID          string   `json:"id"`
	OK          bool     `json:"ok"`
	Response    *string  `json:"response"`
	Text        string   `json:"text"`
	Events      []string `json:"events"`
	Error       *failure `json:"error"`
	Truncated   bool     `json:"truncated"`
	Cancelled   bool     `json:"cancelled"`
	CancelledAt *float64 `json:"cancelled_at"`
}

func main() {
	lines := bufio.NewReader(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return
		}
		must(err)
		var given conversation
		must(json.Unmarshal(line, &given))
		must(out.Encode(play(given)))
	}
}

func play(given conversation) *result {
	played := &result{ID: given.ID, Events: []string{}}
	options := []llmgateway.Option{llmgateway.WithAPIKey(given.APIKey)}
	if len(given.Trace) > 0 {
		options = append(options, llmgateway.WithPropagation(func(context.Context) map[string]string { return given.Trace }))
	}
	client, err := llmgateway.New(given.Address, options...)
	must(err)
	defer client.Close()

	ctx, cancel := context.WithCancel(metadata.NewOutgoingContext(context.Background(), metadata.New(given.Metadata)))
	defer cancel()
	if given.DeadlineMS > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(given.DeadlineMS)*time.Millisecond)
		defer cancel()
	}
	request := &v1.SendRequest{}
	must(proto.Unmarshal(given.Request, request))
	if given.Mode == "send" {
		send(ctx, cancel, client, given, request, played)
	} else {
		stream(ctx, client, given, request, played)
	}
	return played
}

func send(ctx context.Context, cancel func(), client *llmgateway.Client, given conversation, request *v1.SendRequest, played *result) {
	if given.IdleMS > 0 {
		_, err := client.Send(ctx, request)
		must(err)
		time.Sleep(time.Duration(given.IdleMS) * time.Millisecond)
	}
	if given.CancelAfter > 0 {
		time.AfterFunc(time.Duration(given.CancelAfter)*time.Millisecond, func() {
			played.CancelledAt = now()
			cancel()
		})
	}
	response, err := client.Send(ctx, request)
	if err != nil {
		played.fail(err)
		return
	}
	played.OK = true
	played.answer(llmgateway.Reply{Response: response})
}

func stream(ctx context.Context, client *llmgateway.Client, given conversation, request *v1.SendRequest, played *result) {
	streamed := &v1.StreamSendRequest{Request: request}
	if len(given.Options) > 0 {
		streamed.Options = &v1.StreamOptions{}
		must(proto.Unmarshal(given.Options, streamed.Options))
	}
	answer, err := client.Stream(ctx, streamed)
	must(err)
	read := 0
	played.OK = true
	for event, err := range answer.Events() {
		if err != nil {
			played.OK = false
			played.fail(err)
			break
		}
		read++
		played.see(event)
		if read == given.CancelAfter {
			played.CancelledAt = now()
			answer.Close()
		}
	}
	played.answer(answer.Reply())
}

func (r *result) see(event *v1.StreamSendResponse) {
	name := "unknown"
	message := event.ProtoReflect()
	var kind protoreflect.OneofDescriptor = message.Descriptor().Oneofs().ByName("event")
	if field := message.WhichOneof(kind); field != nil {
		name = string(field.Name())
	}
	if name != "heartbeat" && (len(r.Events) == 0 || r.Events[len(r.Events)-1] != name) {
		r.Events = append(r.Events, name)
	}
}

func (r *result) answer(reply llmgateway.Reply) {
	encoded := encode(reply.Response)
	r.Response, r.Text = &encoded, reply.Text()
}

func (r *result) fail(err error) {
	if r.CancelledAt != nil && errors.Is(err, context.Canceled) {
		r.Cancelled = true
		return
	}
	var found *llmgateway.Error
	if !errors.As(err, &found) {
		log.Fatal(err)
	}
	r.Truncated = errors.Is(err, llmgateway.ErrStreamTruncated)
	r.Error = &failure{
		Code:       code.Code(found.Code).String(),
		Reason:     found.Reason,
		Message:    found.Message,
		Told:       found.Error(),
		Metadata:   found.Metadata,
		Retryable:  found.Retryable(),
		Attempts:   []string{},
		Violations: []violation{},
	}
	if found.Metadata == nil {
		r.Error.Metadata = map[string]string{}
	}
	if delay, named := found.RetryDelay(); named {
		milliseconds := delay.Milliseconds()
		r.Error.RetryDelayMS = &milliseconds
	}
	for _, attempt := range found.Attempts() {
		r.Error.Attempts = append(r.Error.Attempts, encode(attempt))
	}
	for _, one := range found.Violations {
		r.Error.Violations = append(r.Error.Violations, violation{one.GetField(), one.GetDescription(), one.GetReason()})
	}
}

func encode(message proto.Message) string {
	data, err := proto.Marshal(message)
	must(err)
	return base64.StdEncoding.EncodeToString(data)
}

func now() *float64 {
	seconds := float64(time.Now().UnixNano()) / 1e9
	return &seconds
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
