package io.llmgateway.client;

import io.grpc.Context;
import io.grpc.StatusRuntimeException;
import io.llmgateway.v1.PartDelta;
import io.llmgateway.v1.PartStarted;
import io.llmgateway.v1.StreamSendResponse;
import java.util.HashSet;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Set;
import java.util.function.Supplier;

/**
 * One streaming answer, read once: as events, which this is an iterator of, or as {@link #text}.
 *
 * <p>Closing it cancels the call if it still runs, and with it the provider's work; any thread may do so. Interrupting the thread that reads does
 * the same. A failed call throws {@link GatewayException} where it is read, {@link StreamTruncatedException} where the stream ended before the
 * answer was whole.
 */
public final class ChatStream implements Iterator<StreamSendResponse>, Iterable<StreamSendResponse>, AutoCloseable {
  private final Context.CancellableContext context;
  private final Iterator<StreamSendResponse> events;
  private final Accumulator accumulator = new Accumulator();
  private final Set<Integer> textParts = new HashSet<>();
  private GatewayException failure;

  ChatStream(Supplier<Iterator<StreamSendResponse>> call) {
    context = Context.current().withCancellation();
    Context previous = context.attach();
    try {
      events = call.get();
    } finally {
      context.detach(previous);
    }
  }

  /**
   * Waits for the next event.
   *
   * @return whether there is one; not at the end of a whole answer
   */
  @Override
  public boolean hasNext() {
    if (failure != null) {
      throw failure;
    }
    try {
      if (events.hasNext()) {
        return true;
      }
    } catch (StatusRuntimeException failed) {
      failure = GatewayException.of(failed);
    }
    if (failure == null && !accumulator.isFinished()) {
      failure = new StreamTruncatedException();
    }
    close();
    if (failure != null) {
      throw failure;
    }
    return false;
  }

  /**
   * The next event, be it of a kind that this client does not know.
   *
   * @return the event
   */
  @Override
  public StreamSendResponse next() {
    if (!hasNext()) {
      throw new NoSuchElementException("the answer is whole");
    }
    StreamSendResponse event = events.next();
    accumulator.add(event);
    PartStarted started = event.getPartStarted();
    if (event.hasPartStarted() && started.getCandidateIndex() == 0 && started.getPart().hasText()) {
      textParts.add(started.getPartIndex());
    }
    return event;
  }

  /** This, for a loop over the events. */
  @Override
  public Iterator<StreamSendResponse> iterator() {
    return this;
  }

  /**
   * Pieces of the first candidate's text as they come.
   *
   * @return what to loop over, once
   */
  public Iterable<String> text() {
    return () ->
        new Iterator<>() {
          private String piece = "";

          @Override
          public boolean hasNext() {
            while (piece.isEmpty() && ChatStream.this.hasNext()) {
              piece = textOf(ChatStream.this.next());
            }
            return !piece.isEmpty();
          }

          @Override
          public String next() {
            if (!hasNext()) {
              throw new NoSuchElementException("the answer is whole");
            }
            String next = piece;
            piece = "";
            return next;
          }
        };
  }

  /** What an event that was folded adds to the text of the first candidate. */
  private String textOf(StreamSendResponse event) {
    if (event.hasPartDelta()) {
      PartDelta delta = event.getPartDelta();
      return delta.getCandidateIndex() == 0 && textParts.contains(delta.getPartIndex()) ? delta.getText() : "";
    }
    PartStarted started = event.getPartStarted();
    return started.getCandidateIndex() == 0 ? started.getPart().getText().getText() : "";
  }

  /**
   * The answer so far: whole after the end, and what is left of a stream that broke.
   *
   * @return the reply
   */
  public ChatReply reply() {
    return new ChatReply(accumulator.response());
  }

  @Override
  public void close() {
    context.cancel(null);
  }
}
