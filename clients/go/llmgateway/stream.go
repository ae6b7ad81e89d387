package llmgateway

import (
	"context"
	"errors"
	"io"
	"iter"

	"google.golang.org/grpc"

	v1 "github.com/llmgateway/llmgateway/clients/go/llmgateway/v1"
)

// Stream is one streaming answer. Read it by one of Recv, Events and Text; from one goroutine.
type Stream struct {
	call        grpc.ServerStreamingClient[v1.StreamSendResponse]
	cancel      context.CancelFunc
	accumulator *Accumulator
	textParts   map[int32]bool
	err         error
}

// Recv returns the next event, those of kinds that this client does not know included. At the end of a whole answer the error is [io.EOF],
// at the end of one that is not [ErrStreamTruncated], and an [*Error] when the call failed. Once it has failed it keeps failing.
func (s *Stream) Recv() (*v1.StreamSendResponse, error) {
	if s.err != nil {
		return nil, s.err
	}
	event, err := s.call.Recv()
	if err == nil {
		s.fold(event)
		return event, nil
	}
	switch {
	case !errors.Is(err, io.EOF):
		s.err = asError(err)
	case s.accumulator.Finished():
		s.err = io.EOF
	default:
		s.err = ErrStreamTruncated
	}
	s.cancel()
	return nil, s.err
}

// Events are the events as they come. An error is the last thing it yields; leaving the loop closes the stream.
func (s *Stream) Events() iter.Seq2[*v1.StreamSendResponse, error] {
	return func(yield func(*v1.StreamSendResponse, error) bool) {
		defer s.Close()
		for {
			event, err := s.Recv()
			if errors.Is(err, io.EOF) || !yield(event, err) || err != nil {
				return
			}
		}
	}
}

// Text are pieces of the first candidate's text as they come. An error is the last thing it yields; leaving the loop closes the stream.
func (s *Stream) Text() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for event, err := range s.Events() {
			if err != nil {
				yield("", err)
				return
			}
			if text := s.text(event); text != "" && !yield(text, nil) {
				return
			}
		}
	}
}

// Reply is the answer so far: whole after [io.EOF], and what is left of a stream that broke.
func (s *Stream) Reply() Reply { return Reply{Response: s.accumulator.Response()} }

// Close cancels the call if it still runs, and with it the provider's work. It may be called more than once, and by any goroutine.
func (s *Stream) Close() { s.cancel() }

func (s *Stream) fold(event *v1.StreamSendResponse) {
	s.accumulator.Add(event)
	started := event.GetPartStarted()
	if started.GetCandidateIndex() == 0 && started.GetPart().GetText() != nil {
		s.textParts[started.GetPartIndex()] = true
	}
}

// text is what an event that was folded adds to the text of the first candidate.
func (s *Stream) text(event *v1.StreamSendResponse) string {
	if delta := event.GetPartDelta(); delta != nil {
		if delta.GetCandidateIndex() == 0 && s.textParts[delta.GetPartIndex()] {
			return delta.GetText()
		}
		return ""
	}
	if started := event.GetPartStarted(); started.GetCandidateIndex() == 0 {
		return started.GetPart().GetText().GetText()
	}
	return ""
}
