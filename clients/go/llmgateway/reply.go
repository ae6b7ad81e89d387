package llmgateway

import (
	"strings"

	v1 "github.com/llmgateway/llmgateway/clients/go/llmgateway/v1"
)

// Reply is an answer with every candidate, part, warning and attempt, and a view of its first candidate.
type Reply struct {
	Response *v1.SendResponse
}

// Message is the model's turn; put it into the next conversation as it is, signatures included.
func (r Reply) Message() *v1.Message {
	if candidates := r.Response.GetCandidates(); len(candidates) > 0 {
		return candidates[0].GetMessage()
	}
	return &v1.Message{Role: v1.Role_ROLE_ASSISTANT}
}

// Text is the text of the first candidate; empty when it is a refusal or only calls tools.
func (r Reply) Text() string {
	var text strings.Builder
	for _, part := range r.Message().GetParts() {
		text.WriteString(part.GetText().GetText())
	}
	return text.String()
}

// Refusal is what the model said when it declined to answer; else empty.
func (r Reply) Refusal() string {
	var text strings.Builder
	for _, part := range r.Message().GetParts() {
		text.WriteString(part.GetRefusal().GetText())
	}
	return text.String()
}

// ToolCalls are the tools that the model wants the caller to run.
func (r Reply) ToolCalls() []*v1.ToolCall {
	var calls []*v1.ToolCall
	for _, part := range r.Message().GetParts() {
		if call := part.GetToolCall(); call != nil && !call.GetProviderExecuted() {
			calls = append(calls, call)
		}
	}
	return calls
}
