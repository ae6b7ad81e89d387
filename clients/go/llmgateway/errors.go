package llmgateway

import (
	"context"
	"errors"
	"fmt"
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
	// Message is for people.
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

// Error is code, reason and message.
func (e *Error) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("%s: %s", codeName(e.Code), e.Message)
	}
	return fmt.Sprintf("%s (%s): %s", codeName(e.Code), e.Reason, e.Message)
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
