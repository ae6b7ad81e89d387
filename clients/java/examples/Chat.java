import static io.llmgateway.client.Messages.system;
import static io.llmgateway.client.Messages.user;

import io.llmgateway.client.ChatReply;
import io.llmgateway.client.ChatStream;
import io.llmgateway.client.GatewayException;
import io.llmgateway.client.LlmGatewayClient;
import io.llmgateway.v1.Model;
import io.llmgateway.v1.SendRequest;
import java.util.List;

/**
 * Lists the models, asks one, streams an answer, and shows a typed error.
 *
 * <pre>
 * llm-gateway serve &amp;
 * mvn package
 * java -cp 'target/llmgateway-client-0.1.0.jar:target/lib/*' examples/Chat.java [MODEL]
 * </pre>
 */
public class Chat {
  public static void main(String[] args) {
    String address = System.getenv().getOrDefault("LLM_GATEWAY_ADDRESS", LlmGatewayClient.DEFAULT_ADDRESS);
    try (LlmGatewayClient gateway =
        LlmGatewayClient.builder(address).apiKey(System.getenv("LLM_GATEWAY_API_KEY")).build()) {
      List<Model> models = gateway.listModels().models();
      String first = models.get(0).getProvider() + "/" + models.get(0).getModelId();
      System.out.println(models.size() + " models, such as " + first);
      String model = args.length > 0 ? args[0] : first;

      ChatReply reply = gateway.chat(model, system("Be brief."), user("Say hello."));
      System.out.println(reply.response().getRoute().getProvider() + ": " + reply);

      SendRequest request =
          SendRequest.newBuilder()
              .setModel(model)
              .addMessages(user("Say hello."))
              .addMessages(reply.message())
              .addMessages(user("And goodbye?"))
              .build();
      try (ChatStream stream = gateway.stream(request)) {
        for (String text : stream.text()) {
          System.out.print(text);
        }
        System.out.println("\n" + stream.reply().response().getUsage().getOutputTokens() + " tokens");
      }

      try {
        gateway.chat("no-such-model", user("Say hello."));
      } catch (GatewayException failure) {
        System.out.println(failure.getReason() + ", retryable: " + failure.isRetryable());
      }
    }
  }
}
