package io.llmgateway.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import io.llmgateway.v1.Candidate;
import io.llmgateway.v1.CandidateCompleted;
import io.llmgateway.v1.FinishReason;
import io.llmgateway.v1.MediaPart;
import io.llmgateway.v1.Part;
import io.llmgateway.v1.PartCompleted;
import io.llmgateway.v1.PartDelta;
import io.llmgateway.v1.PartStarted;
import io.llmgateway.v1.ReasoningPart;
import io.llmgateway.v1.StreamCompleted;
import io.llmgateway.v1.StreamSendResponse;
import io.llmgateway.v1.TextPart;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The fold of events. */
class AccumulatorTest {
  private final Accumulator accumulator = new Accumulator();

  private void started(int index, Part.Builder part) {
    accumulator.add(
        StreamSendResponse.newBuilder()
            .setPartStarted(PartStarted.newBuilder().setPartIndex(index).setPart(part))
            .build());
  }

  private void grown(int index, PartDelta.Builder delta) {
    accumulator.add(StreamSendResponse.newBuilder().setPartDelta(delta.setPartIndex(index)).build());
  }

  private static Part.Builder text() {
    return Part.newBuilder().setText(TextPart.getDefaultInstance());
  }

  private ChatReply reply() {
    return new ChatReply(accumulator.response());
  }

  /** Deltas grow the part they name, of whatever kind it is; those of parts that never started are lost. */
  @Test
  void deltasGoToTheirParts() {
    started(0, Part.newBuilder().setReasoning(ReasoningPart.getDefaultInstance()));
    started(1, text());
    started(2, Part.newBuilder().setMedia(MediaPart.newBuilder().setMimeType("image/png")));
    grown(1, PartDelta.newBuilder().setText("one "));
    grown(0, PartDelta.newBuilder().setText("thought"));
    grown(7, PartDelta.newBuilder().setText("lost"));
    grown(-1, PartDelta.newBuilder().setText("lost"));
    assertEquals("one ", reply().text());
    grown(1, PartDelta.newBuilder().setText("two"));
    grown(2, PartDelta.newBuilder().setData(ByteString.copyFromUtf8("a")));
    grown(2, PartDelta.newBuilder().setData(ByteString.copyFromUtf8("b")));
    assertEquals("one two", reply().text());
    assertEquals("thought", reply().message().getParts(0).getReasoning().getText());
    assertEquals("ab", reply().message().getParts(2).getMedia().getData().toStringUtf8());
    assertFalse(accumulator.isFinished());
  }

  /** A part that starts out of its turn is left out. */
  @Test
  void partsStartInTurn() {
    started(3, text());
    assertEquals(0, reply().message().getPartsCount());
  }

  /** The number of an enum value that this client does not know is kept, and candidates come in order of their index. */
  @Test
  void unknownEnumValuesAreKept() {
    for (CandidateCompleted completed :
        List.of(
            CandidateCompleted.newBuilder().setCandidateIndex(1).setFinishReasonValue(99).build(),
            CandidateCompleted.newBuilder().setFinishReasonValue(1).build())) {
      accumulator.add(StreamSendResponse.newBuilder().setCandidateCompleted(completed).build());
    }
    accumulator.add(
        StreamSendResponse.newBuilder().setCompleted(StreamCompleted.newBuilder().setServiceTierValue(77)).build());
    assertTrue(accumulator.isFinished());
    List<Candidate> candidates = accumulator.response().getCandidatesList();
    assertEquals(List.of(1, 99), candidates.stream().map(Candidate::getFinishReasonValue).toList());
    assertEquals(FinishReason.UNRECOGNIZED, candidates.get(1).getFinishReason());
    assertEquals(77, accumulator.response().getServiceTierValue());
  }

  /** Encrypted reasoning and signature that come with the end of a part go into the part. */
  @Test
  void partsEndWithTheirSignature() {
    started(0, Part.newBuilder().setReasoning(ReasoningPart.newBuilder().setText("t")));
    accumulator.add(
        StreamSendResponse.newBuilder()
            .setPartCompleted(
                PartCompleted.newBuilder()
                    .setSignature(ByteString.copyFromUtf8("s"))
                    .setEncrypted(ByteString.copyFromUtf8("e")))
            .build());
    Part part = reply().message().getParts(0);
    assertEquals("s", part.getSignature().toStringUtf8());
    assertEquals(
        ReasoningPart.newBuilder().setText("t").setEncrypted(ByteString.copyFromUtf8("e")).build(), part.getReasoning());
  }
}
