// Package llmgateway is the Go client of LLMGateway: one gRPC interface over many LLM providers.
//
// The messages are in the package llmgatewayv1, at llmgateway/v1 of this module. A [Client] may be shared by goroutines.
package llmgateway

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	v1 "github.com/llmgateway/llmgateway/clients/go/llmgateway/v1"
)

// Client is a connection to a gateway. Its calls end with an [*Error] when they fail.
type Client struct {
	connection *grpc.ClientConn
	stub       v1.LLMGatewayClient
	settings   settings
}

// New makes a client of the gateway at a gRPC target such as "gateway.example:443" or "unix:///run/gateway.sock".
// It connects with the first call. Settings that contradict each other are an error.
func New(address string, options ...Option) (*Client, error) {
	settings := settings{timeout: DefaultTimeout}
	for _, option := range options {
		option(&settings)
	}
	if err := settings.check(address); err != nil {
		return nil, err
	}
	connection, err := grpc.NewClient(address, settings.dialOptions(address)...)
	if err != nil {
		return nil, err
	}
	return &Client{connection: connection, stub: v1.NewLLMGatewayClient(connection), settings: settings}, nil
}

// Connection is the client's connection with its key, metadata and deadline, for the stubs of other services: those of llmgateway/admin/v1, where
// the client was made for [DefaultAdminAddress] and has a key of the administration. Its calls end with an [*Error] too.
func (c *Client) Connection() grpc.ClientConnInterface { return connection{c} }

type connection struct{ client *Client }

func (c connection) Invoke(ctx context.Context, method string, request, response any, options ...grpc.CallOption) error {
	ctx, cancel := c.client.prepare(ctx)
	defer cancel()
	return asError(c.client.connection.Invoke(ctx, method, request, response, options...))
}

func (c connection) NewStream(ctx context.Context, what *grpc.StreamDesc, method string, options ...grpc.CallOption) (grpc.ClientStream, error) {
	stream, err := c.client.connection.NewStream(c.client.outgoing(ctx), what, method, options...)
	return stream, asError(err)
}

// Close closes the connection; calls in flight are cancelled.
func (c *Client) Close() error {
	return c.connection.Close()
}

// Chat asks a model with the given turns and waits for the whole answer. An empty model is the gateway's default.
// For sampling, tools and the rest, fill in a request and call [Client.Send].
func (c *Client) Chat(ctx context.Context, model string, turns ...*v1.Message) (Reply, error) {
	response, err := c.Send(ctx, &v1.SendRequest{Model: model, Messages: turns})
	return Reply{Response: response}, err
}

// Send is the RPC Send: one inference, answered as a whole.
func (c *Client) Send(ctx context.Context, request *v1.SendRequest, options ...grpc.CallOption) (*v1.SendResponse, error) {
	ctx, cancel := c.prepare(ctx)
	defer cancel()
	response, err := c.stub.Send(ctx, request, options...)
	return response, asError(err)
}

// Stream is the RPC StreamSend: one inference, answered as events. Close the stream, or cancel ctx, to stop the provider's work.
// A failure of the call comes from [Stream.Recv].
func (c *Client) Stream(ctx context.Context, request *v1.StreamSendRequest, options ...grpc.CallOption) (*Stream, error) {
	ctx, cancel := c.prepare(ctx)
	call, err := c.stub.StreamSend(ctx, request, options...)
	if err != nil {
		cancel()
		return nil, asError(err)
	}
	return &Stream{call: call, cancel: cancel, accumulator: NewAccumulator(), textParts: map[int32]bool{}}, nil
}

// ListModels returns the models that the caller may use, of all pages, and the ids of providers that did not answer.
// The request's page token is left alone; a nil request asks for everything.
func (c *Client) ListModels(ctx context.Context, request *v1.ListModelsRequest, options ...grpc.CallOption) (models []*v1.Model, unreachable []string, err error) {
	ctx, cancel := c.prepare(ctx)
	defer cancel()
	asked := &v1.ListModelsRequest{
		PageSize:             request.GetPageSize(),
		Provider:             request.GetProvider(),
		RequiredCapabilities: request.GetRequiredCapabilities(),
		Refresh:              request.GetRefresh(),
	}
	seen := map[string]bool{}
	for {
		page, err := c.stub.ListModels(ctx, asked, options...)
		if err != nil {
			return nil, nil, asError(err)
		}
		models = append(models, page.Models...)
		for _, name := range page.Unreachable {
			if id := providerID(name); !seen[id] {
				seen[id] = true
				unreachable = append(unreachable, id)
			}
		}
		if page.NextPageToken == "" {
			return models, unreachable, nil
		}
		asked.PageToken = page.NextPageToken
	}
}

// Health is the RPC Health: the gateway and its providers in detail. A nil request reports what was last seen of all of them.
func (c *Client) Health(ctx context.Context, request *v1.HealthRequest, options ...grpc.CallOption) (*v1.HealthResponse, error) {
	ctx, cancel := c.prepare(ctx)
	defer cancel()
	if request == nil {
		request = &v1.HealthRequest{}
	}
	response, err := c.stub.Health(ctx, request, options...)
	return response, asError(err)
}

// prepare adds the default deadline, the key and the trace context to the caller's context.
func (c *Client) prepare(ctx context.Context) (context.Context, context.CancelFunc) {
	cancel := context.CancelFunc(nil)
	if _, set := ctx.Deadline(); !set && c.settings.timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, c.settings.timeout)
	} else {
		ctx, cancel = context.WithCancel(ctx)
	}
	return c.outgoing(ctx), cancel
}

// outgoing adds the key and the trace context.
func (c *Client) outgoing(ctx context.Context) context.Context {
	if c.settings.propagate != nil {
		for key, value := range c.settings.propagate(ctx) {
			ctx = metadata.AppendToOutgoingContext(ctx, key, value)
		}
	}
	if c.settings.apiKey != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.settings.apiKey)
	}
	return ctx
}

// User is a turn of the user.
func User(text string) *v1.Message { return turn(v1.Role_ROLE_USER, text) }

// System is an instruction of the operator.
func System(text string) *v1.Message { return turn(v1.Role_ROLE_SYSTEM, text) }

func turn(role v1.Role, text string) *v1.Message {
	return &v1.Message{Role: role, Parts: []*v1.Part{{Kind: &v1.Part_Text{Text: &v1.TextPart{Text: text}}}}}
}

// DefaultTimeout is the deadline of a call whose context has none. Long answers take minutes.
const DefaultTimeout = 600 * time.Second
