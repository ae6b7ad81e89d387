package io.llmgateway.client;

import io.llmgateway.v1.Message;
import io.llmgateway.v1.Part;
import io.llmgateway.v1.Role;
import io.llmgateway.v1.SendResponse;
import io.llmgateway.v1.ToolCall;
import java.util.List;
import java.util.stream.Collectors;

/**
 * One answer, and a view of its first candidate.
 *
 * @param response the gateway's response, with every candidate, part, warning and attempt
 */
public record ChatReply(SendResponse response) {
  /**
   * The model's turn; put it into the next conversation as it is, signatures included.
   *
   * @return the turn
   */
  public Message message() {
    return response.getCandidatesCount() > 0
        ? response.getCandidates(0).getMessage()
        : Message.newBuilder().setRole(Role.ROLE_ASSISTANT).build();
  }

  /**
   * The text of the first candidate.
   *
   * @return the text; empty when it is a refusal or only calls tools
   */
  public String text() {
    return message().getPartsList().stream().map(part -> part.getText().getText()).collect(Collectors.joining());
  }

  /**
   * What the model said when it declined to answer.
   *
   * @return its words; else empty
   */
  public String refusal() {
    return message().getPartsList().stream().map(part -> part.getRefusal().getText()).collect(Collectors.joining());
  }

  /**
   * The tools that the model wants the caller to run.
   *
   * @return the calls in order
   */
  public List<ToolCall> toolCalls() {
    return message().getPartsList().stream()
        .filter(part -> part.hasToolCall() && !part.getToolCall().getProviderExecuted())
        .map(Part::getToolCall)
        .toList();
  }

  /** The text. */
  @Override
  public String toString() {
    return text();
  }
}
