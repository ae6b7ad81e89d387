package llmgateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// Option is a setting of a [Client].
type Option func(*settings)

type settings struct {
	apiKey    string
	tls       *tls.Config
	insecure  bool
	timeout   time.Duration
	propagate func(context.Context) map[string]string
	dial      []grpc.DialOption
}

// WithAPIKey sends the key as "authorization: Bearer". Over plaintext it goes to this machine only, see [WithInsecure].
func WithAPIKey(key string) Option { return func(s *settings) { s.apiKey = key } }

// WithTLS speaks TLS; nil is the default trust. Certificates in the configuration make it mTLS.
func WithTLS(config *tls.Config) Option {
	return func(s *settings) {
		if config == nil {
			config = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		s.tls = config
	}
}

// WithInsecure allows to send the key in plaintext to another machine, on a network that you trust.
func WithInsecure() Option { return func(s *settings) { s.insecure = true } }

// WithTimeout is the deadline of calls whose context has none, in place of [DefaultTimeout]; 0 is no deadline.
func WithTimeout(timeout time.Duration) Option { return func(s *settings) { s.timeout = timeout } }

// WithPropagation adds the metadata that the function returns to each call, such as "traceparent". With OpenTelemetry:
//
//	func(ctx context.Context) map[string]string {
//		carrier := propagation.MapCarrier{}
//		otel.GetTextMapPropagator().Inject(ctx, carrier)
//		return carrier
//	}
func WithPropagation(propagate func(context.Context) map[string]string) Option {
	return func(s *settings) { s.propagate = propagate }
}

// WithDialOptions adds options of gRPC; they win over the client's own.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) { s.dial = append(s.dial, options...) }
}

// DefaultAdminAddress is where the administration of a gateway listens.
const DefaultAdminAddress = "127.0.0.1:50052"

// MaxReceiveBytes is the size of the largest message that is received, or sent: images come inline. A gateway says by name and size what is
// too large for it up to this size, with its default limit of half of it.
const MaxReceiveBytes = 64 << 20

// UNAVAILABLE, and what a gateway that stops says of a call it never saw (gRPC's server, CANCELLED): every other code says that the same
// call would fail again or would be billed twice. A call that its own caller cancels is over. A stream is retried only until its headers
// arrive (gRFC A6); the gateway sends them with its first event.
const serviceConfig = `{
  "methodConfig": [{
    "name": [{"service": "llmgateway.v1.LLMGateway"}],
    "retryPolicy": {
      "maxAttempts": 3, "initialBackoff": "0.2s", "maxBackoff": "5s", "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"]
    }
  }],
  "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}
}`

func (s *settings) check(address string) error {
	for _, char := range s.apiKey {
		if char < ' ' || char > '~' {
			return errors.New("llmgateway: the API key has a character that HTTP headers cannot carry")
		}
	}
	if s.apiKey != "" && s.tls == nil && !s.insecure && !isLocal(address) {
		return fmt.Errorf("llmgateway: refusing to send the API key in plaintext to %s: use WithTLS, or WithInsecure on a network you trust", address)
	}
	return nil
}

func (s *settings) dialOptions(address string) []grpc.DialOption {
	transport := insecure.NewCredentials()
	if s.tls != nil {
		transport = credentials.NewTLS(s.tls)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxReceiveBytes), grpc.MaxCallSendMsgSize(MaxReceiveBytes)),
		// A model may think for minutes without a byte; pings find a dead path meanwhile.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 60 * time.Second, Timeout: 20 * time.Second}),
		grpc.WithUserAgent("llmgateway-go"),
	}
	if isLocal(address) {
		options = append(options, grpc.WithNoProxy()) // a proxy named by the environment has no business on this machine
	}
	return append(options, s.dial...)
}

// isLocal says whether a gRPC target surely stays on this machine.
func isLocal(address string) bool {
	scheme, rest, found := strings.Cut(address, ":")
	switch {
	case found && (scheme == "unix" || scheme == "unix-abstract"):
		return true
	case found && (scheme == "dns" || scheme == "passthrough"):
		if after, has := strings.CutPrefix(rest, "//"); has {
			authority, endpoint, _ := strings.Cut(after, "/")
			if authority != "" {
				return false
			}
			rest = endpoint
		}
	default:
		rest = address
	}
	host := rest
	if name, _, err := net.SplitHostPort(rest); err == nil {
		host = name
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || (err == nil && ip.IsLoopback())
}

func providerID(name string) string { return strings.TrimPrefix(name, "providers/") }
