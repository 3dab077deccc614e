/* Labels, thresholds and task as the model file's JSON has them, of the first head and of further ones; not for users
 * of a model. */
#ifndef KOHL_NN_MODEL_HEADS_H
#define KOHL_NN_MODEL_HEADS_H

#include "nn/json.h"
#include "nn/model.h"

/* Reads the value of the key at hand into a head; *known is false, and nothing is read, for a key that heads have not.
 */
kohl_status kohl_model_head_read(kohl_context *ctx, kohl_json *json, kohl_model_head *head, bool *known);

/* The list "heads"; the reader stands before it. */
kohl_status kohl_model_heads_read(kohl_context *ctx, kohl_json *json, kohl_model_head **heads, size_t *count);

/* Finds the nodes of heads and checks them: a softmax or sigmoid that fits the task and the labels, not the last node,
 * none twice. */
kohl_status kohl_model_heads_check(kohl_context *ctx, const kohl_graph *graph, kohl_model_head *heads, size_t count);

/* Thresholds are one for each label of many, or none. */
kohl_status kohl_model_head_check_thresholds(kohl_context *ctx, const kohl_model_head *head);

/* The members of the first head and, where there are more, "heads". */
void kohl_model_heads_write(const kohl_model *model, kohl_json_writer *json);

void kohl_model_head_free(kohl_context *ctx, kohl_model_head *head);
void kohl_model_heads_free(kohl_context *ctx, kohl_model_head *heads, size_t count);

#endif
