package io.llmgateway.client;

import io.llmgateway.v1.Model;
import java.util.List;

/**
 * The models that the caller may use.
 *
 * @param models models of all pages, in order of their names
 * @param unreachable ids of the providers that did not answer, whose models may be missing
 */
public record ModelList(List<Model> models, List<String> unreachable) {}
