package llmgateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	v1 "github.com/llmgateway/llmgateway/clients/go/llmgateway/v1"
)

// Error is a failed call: its status and what the google.rpc details say. Find it by [errors.As].
type Error struct {
	// Code is the gRPC status code.
	Code codes.Code
	// Message is the status message; Error adds code, reason and what the details say beyond it.
	Message string
	// Reason is ErrorInfo.reason, such as PROVIDER_RATE_LIMITED; empty where the failure did not come from the gateway.
	Reason string
	// Metadata is ErrorInfo.metadata, such as provider and model.
	Metadata map[string]string
	// Violations say what is wrong with which field of the request.
	Violations []*errdetails.BadRequest_FieldViolation
	// ProviderFailure is what the last provider answered, or nil.
	ProviderFailure *v1.ProviderFailure
	// RequestID is the gateway's id of the call; empty when it gave none.
	RequestID string

	retryDelay *time.Duration
	cause      error
}

// ErrStreamTruncated is a stream that ended with status OK but without its completed event, so its answer is not whole.
var ErrStreamTruncated error = &Error{
	Code:    codes.DataLoss,
	Message: "the stream ended before the answer was whole",
	Reason:  "STREAM_TRUNCATED",
}

// Error is code, reason, message, and what the details say beyond it: fields at fault, who answered what, what was tried, when to try again.
func (e *Error) Error() string {
	reason := ""
	if e.Reason != "" {
		reason = " (" + e.Reason + ")"
	}
	return codeName(e.Code) + reason + ": " + e.description()
}

func (e *Error) description() string {
	var clauses []string
	for _, violation := range e.Violations {
		if wrong := strings.TrimSuffix(violation.GetDescription(), "."); !e.says(wrong) {
			clauses = append(clauses, violation.GetField()+": "+wrong)
		}
	}
	clauses = append(clauses, e.failure()...)
	if e.retryDelay != nil && *e.retryDelay > 0 {
		seconds := math.Ceil(e.retryDelay.Seconds()*10) / 10
		clauses = append(clauses, "try again in "+strconv.FormatFloat(seconds, 'f', -1, 64)+" s")
	}
	if e.Code == codes.Internal && e.RequestID != "" {
		clauses = append(clauses, "request id "+e.RequestID)
	}
	if len(clauses) == 0 {
		return e.Message
	}
	return strings.TrimSuffix(e.Message, ".") + "; " + strings.Join(clauses, "; ")
}

func (e *Error) failure() (clauses []string) {
	if e.ProviderFailure == nil {
		return nil
	}
	who := target(e.ProviderFailure)
	if e.says(who) {
		who = ""
	}
	var answer []string
	if code := e.ProviderFailure.GetProviderStatus(); code != 0 {
		if status := fmt.Sprintf("HTTP %d", code); !e.says(status) {
			answer = append(answer, status)
		}
	}
	if words := e.ProviderFailure.GetProviderMessage(); !e.says(words) {
		answer = append(answer, `"`+words+`"`)
	}
	switch {
	case len(answer) > 0:
		clauses = append(clauses, cmp.Or(who, "the provider")+" answered "+strings.Join(answer, " "))
	case who != "":
		clauses = append(clauses, "at "+who)
	}
	var tried []string
	said := true
	for _, attempt := range e.Attempts() {
		why := attempt.GetReason()
		if skipped := attempt.GetSkipReason(); skipped != "" {
			why = "skipped: " + skipped
		}
		if why == "" {
			continue
		}
		said = said && e.says(target(attempt))
		if told := target(attempt) + " (" + why + ")"; !slices.Contains(tried, told) {
			tried = append(tried, told)
		}
	}
	if len(tried) > 1 && !said {
		clauses = append(clauses, "tried "+strings.Join(tried, ", "))
	}
	return clauses
}

// says is whether the message has the words; no words are always said.
func (e *Error) says(words string) bool { return strings.Contains(e.Message, words) }

func target(one interface {
	GetProvider() string
	GetModel() string
}) string {
	if one.GetModel() == "" {
		return one.GetProvider()
	}
	return one.GetProvider() + "/" + one.GetModel()
}

// RetryDelay is how long to wait before a new call; false when the server named no delay.
func (e *Error) RetryDelay() (time.Duration, bool) {
	if e.retryDelay == nil {
		return 0, false
	}
	return *e.retryDelay, true
}

// Attempts are the provider calls that were made and the targets that were skipped, in order.
func (e *Error) Attempts() []*v1.Attempt {
	return e.ProviderFailure.GetAttempts()
}

// Retryable says whether the same call, made again after the retry delay, may succeed.
func (e *Error) Retryable() bool {
	switch e.Reason {
	case "STREAM_INTERRUPTED", "PROVIDER_QUOTA_EXHAUSTED": // billed beside the part of an answer that the caller holds; the same empty account
		return false
	case "PROVIDER_RATE_LIMITED", "GATEWAY_RATE_LIMITED":
		return e.Code == codes.ResourceExhausted || e.Code == codes.Unavailable
	}
	return e.Code == codes.Unavailable || (e.Code == codes.ResourceExhausted && e.retryDelay != nil)
}

// Unwrap is the error of gRPC.
func (e *Error) Unwrap() error { return e.cause }

// Is makes errors.Is(err, context.Canceled) and context.DeadlineExceeded work.
func (e *Error) Is(target error) bool {
	return (target == context.Canceled && e.Code == codes.Canceled) ||
		(target == context.DeadlineExceeded && e.Code == codes.DeadlineExceeded)
}

// GRPCStatus lets status.FromError and status.Code read the error.
func (e *Error) GRPCStatus() *status.Status {
	if found, ok := status.FromError(e.cause); e.cause != nil && ok {
		return found
	}
	return status.New(e.Code, e.Message)
}

// asError unpacks an error of gRPC. Details of unknown types are left out.
func asError(err error) error {
	if err == nil {
		return nil
	}
	found := status.Convert(err)
	var bare interface{ GRPCStatus() *status.Status }
	if errors.As(err, &bare) { // the status itself: gRPC puts words of its own around one that it has retried
		found = bare.GRPCStatus()
	}
	failure := &Error{Code: found.Code(), Message: found.Message(), cause: err}
	for _, detail := range found.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			failure.Reason, failure.Metadata = detail.GetReason(), detail.GetMetadata()
		case *errdetails.RetryInfo:
			delay := detail.GetRetryDelay().AsDuration()
			failure.retryDelay = &delay
		case *errdetails.BadRequest:
			failure.Violations = detail.GetFieldViolations()
		case *errdetails.RequestInfo:
			failure.RequestID = detail.GetRequestId()
		case *v1.ProviderFailure:
			failure.ProviderFailure = detail
		}
	}
	return failure
}

// codeName is the code as in google/rpc/code.proto.
func codeName(found codes.Code) string { return code.Code(found).String() }
