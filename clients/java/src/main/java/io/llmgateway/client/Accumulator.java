package io.llmgateway.client;

import com.google.protobuf.ByteString;
import io.llmgateway.v1.Candidate;
import io.llmgateway.v1.CandidateCompleted;
import io.llmgateway.v1.Message;
import io.llmgateway.v1.Part;
import io.llmgateway.v1.PartCompleted;
import io.llmgateway.v1.PartDelta;
import io.llmgateway.v1.PartDelta.DeltaCase;
import io.llmgateway.v1.PartStarted;
import io.llmgateway.v1.Role;
import io.llmgateway.v1.SendResponse;
import io.llmgateway.v1.StreamCompleted;
import io.llmgateway.v1.StreamSendResponse;
import io.llmgateway.v1.StreamStarted;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;

/**
 * Folds the events of a stream, in order, into the response that {@code Send} would have returned.
 *
 * <p>Events of unknown kind, and deltas for parts that never started, are ignored: a newer gateway may send more than this client knows. Not
 * for use by several threads at once.
 */
public final class Accumulator {
  private record Place(int candidate, int part, DeltaCase field) {}

  private final SendResponse.Builder response = SendResponse.newBuilder();
  private final Map<Integer, Candidate.Builder> candidates = new TreeMap<>();
  // Fragments are joined once: appending to a string copies all of it each time.
  private final Map<Place, StringBuilder> grown = new HashMap<>();
  private boolean finished;

  /** Makes one that has seen no event. */
  public Accumulator() {}

  /**
   * Whether the {@code completed} event was seen. A stream that ends without it was cut.
   *
   * @return whether the answer is whole
   */
  public boolean isFinished() {
    return finished;
  }

  /**
   * The answer so far; whole when {@link #isFinished}.
   *
   * @return the response
   */
  public SendResponse response() {
    join();
    response.clearCandidates();
    candidates.values().forEach(response::addCandidates);
    return response.build();
  }

  /**
   * Folds one event.
   *
   * @param event the next event of the stream
   */
  public void add(StreamSendResponse event) {
    switch (event.getEventCase()) {
      case STARTED -> started(event.getStarted());
      case PART_STARTED -> partStarted(event.getPartStarted());
      case PART_DELTA -> partDelta(event.getPartDelta());
      case PART_COMPLETED -> partCompleted(event.getPartCompleted());
      case CANDIDATE_COMPLETED -> candidateCompleted(event.getCandidateCompleted());
      case USAGE -> response.setUsage(event.getUsage());
      case WARNING -> response.addWarnings(event.getWarning());
      case COMPLETED -> completed(event.getCompleted());
      case HEARTBEAT, EVENT_NOT_SET -> {}
    }
  }

  private Candidate.Builder candidate(int index) {
    return candidates.computeIfAbsent(
        index,
        key -> Candidate.newBuilder().setIndex(key).setMessage(Message.newBuilder().setRole(Role.ROLE_ASSISTANT)));
  }

  /** The part, or null when it never started. */
  private Part.Builder part(int candidate, int index) {
    Message.Builder message = candidate(candidate).getMessageBuilder();
    return index >= 0 && index < message.getPartsCount() ? message.getPartsBuilder(index) : null;
  }

  private void started(StreamStarted started) {
    response.setResponseId(started.getResponseId()).setRoute(started.getRoute());
    if (started.hasCreateTime()) {
      response.setCreateTime(started.getCreateTime());
    }
  }

  private void partStarted(PartStarted started) {
    Message.Builder message = candidate(started.getCandidateIndex()).getMessageBuilder();
    if (started.getPartIndex() == message.getPartsCount()) {
      message.addParts(started.getPart());
    }
  }

  private void partDelta(PartDelta delta) {
    Part.Builder part = part(delta.getCandidateIndex(), delta.getPartIndex());
    if (part == null) {
      return;
    }
    switch (delta.getDeltaCase()) {
      case TEXT -> grow(delta, delta.getText());
      case ARGUMENTS_JSON -> grow(delta, delta.getArgumentsJson());
      case TRANSCRIPT -> grow(delta, delta.getTranscript());
      case DATA -> { // a ByteString of pieces copies none of them
        ByteString data = part.getMedia().getData();
        part.getMediaBuilder().setData(data.concat(delta.getData()));
      }
      case CITATION -> part.getTextBuilder().addCitations(delta.getCitation());
      case DELTA_NOT_SET -> {}
    }
    Candidate.Builder candidate = candidate(delta.getCandidateIndex());
    if (part.hasRefusal()) {
      candidate.addAllRefusalLogprobs(delta.getLogprobsList());
    } else {
      candidate.addAllLogprobs(delta.getLogprobsList());
    }
  }

  private void grow(PartDelta delta, String fragment) {
    Place place = new Place(delta.getCandidateIndex(), delta.getPartIndex(), delta.getDeltaCase());
    grown.computeIfAbsent(place, key -> new StringBuilder()).append(fragment);
  }

  private void join() {
    grown.forEach(
        (place, text) -> {
          Part.Builder part = part(place.candidate, place.part);
          switch (place.field) {
            case ARGUMENTS_JSON ->
                part.getToolCallBuilder().setArgumentsJson(part.getToolCall().getArgumentsJson() + text);
            case TRANSCRIPT -> part.getMediaBuilder().setTranscript(part.getMedia().getTranscript() + text);
            default -> {
              switch (part.getKindCase()) {
                case REASONING -> part.getReasoningBuilder().setText(part.getReasoning().getText() + text);
                case REFUSAL -> part.getRefusalBuilder().setText(part.getRefusal().getText() + text);
                default -> part.getTextBuilder().setText(part.getText().getText() + text);
              }
            }
          }
        });
    grown.clear();
  }

  private void partCompleted(PartCompleted completed) {
    Part.Builder part = part(completed.getCandidateIndex(), completed.getPartIndex());
    if (part == null) {
      return;
    }
    if (!completed.getSignature().isEmpty()) {
      part.setSignature(completed.getSignature());
    }
    if (!completed.getSignatureProvider().isEmpty()) {
      part.setSignatureProvider(completed.getSignatureProvider());
    }
    if (!completed.getEncrypted().isEmpty()) {
      part.getReasoningBuilder().setEncrypted(completed.getEncrypted());
    }
  }

  private void candidateCompleted(CandidateCompleted completed) {
    // The enum by its number, which a newer gateway may have and this client not.
    candidate(completed.getCandidateIndex())
        .setFinishReasonValue(completed.getFinishReasonValue())
        .setProviderFinishReason(completed.getProviderFinishReason())
        .setFinishMessage(completed.getFinishMessage())
        .setStopSequence(completed.getStopSequence())
        .addAllSafetyRatings(completed.getSafetyRatingsList())
        .addAllLogprobs(completed.getLogprobsList())
        .setProviderMetadataJson(completed.getProviderMetadataJson());
  }

  private void completed(StreamCompleted completed) {
    finished = true;
    if (completed.hasUsage()) {
      response.setUsage(completed.getUsage());
    }
    if (completed.hasRoute()) {
      response.setRoute(completed.getRoute());
    }
    response
        .setServiceTierValue(completed.getServiceTierValue())
        .setSystemFingerprint(completed.getSystemFingerprint())
        .setProviderMetadataJson(completed.getProviderMetadataJson());
  }
}
