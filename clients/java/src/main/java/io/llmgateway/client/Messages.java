package io.llmgateway.client;

import io.llmgateway.v1.Message;
import io.llmgateway.v1.Part;
import io.llmgateway.v1.Role;
import io.llmgateway.v1.TextPart;

/** Turns of a conversation that are nothing but text. */
public final class Messages {
  private Messages() {}

  /**
   * A turn of the user.
   *
   * @param text what the user says
   * @return the turn
   */
  public static Message user(String text) {
    return turn(Role.ROLE_USER, text);
  }

  /**
   * An instruction of the operator.
   *
   * @param text the instruction
   * @return the turn
   */
  public static Message system(String text) {
    return turn(Role.ROLE_SYSTEM, text);
  }

  private static Message turn(Role role, String text) {
    return Message.newBuilder()
        .setRole(role)
        .addParts(Part.newBuilder().setText(TextPart.newBuilder().setText(text)))
        .build();
  }
}
