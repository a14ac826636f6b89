/* A batch is a frame of messages in order: walked by td_batch_next, read as bytes by a binding, given back in part.
 * (rules 6 9) */
#include "check.h"

static td_engine engine;

static td_frame_header header_at(const td_batch *batch, uint32_t index) {
  td_frame_header header;
  CHECK(index < batch->count);
  CHECK_EQ(batch->offsets[index] % 8, 0);
  CHECK(batch->offsets[index] + sizeof header <= batch->frame_size);
  memcpy(&header, batch->frame + batch->offsets[index], sizeof header);
  return header;
}

/* The payload, which the frame holds or names. */
static void check_body(const td_batch *batch, uint32_t index, const char *text) {
  td_frame_header header = header_at(batch, index);
  const uint8_t *body = batch->frame + batch->offsets[index] + sizeof header;
  td_frame_by_ref by_ref;
  if (!(header.flags & TD_FRAME_BY_REF)) {
    CHECK_TEXT(body, header.size, text);
    return;
  }
  CHECK_EQ(header.size, sizeof by_ref);
  memcpy(&by_ref, body, sizeof by_ref);
  CHECK_TEXT(by_ref.data, by_ref.data_size, text);
}

static size_t padded(size_t size) { return (size + 7) / 8 * 8; }

static void next_walks_in_order(void) {
  td_mailbox mailbox = open_mailbox(engine);
  td_batch batch;
  td_message message;
  for (uint64_t i = 0; i < 100; i++) CHECK_OK(td_send(mailbox, TD_NOBODY, i, TD_STR("hello")));
  uint64_t seen = 0;
  while (td_recv_batch(mailbox, 0, 0, &batch) == TD_OK) {
    CHECK_EQ(batch.mailbox.id, mailbox.id);
    CHECK_EQ(batch.cursor, 0);
    CHECK(batch.count > 0);
    while (td_batch_next(&batch, &message) == 1) {
      CHECK_EQ(message.tag, seen++);
      CHECK_EQ(message.owner, 0);
      CHECK_TEXT(message.data, message.data_size, "hello");
      CHECK_OK(td_message_release(&message)); /* it is the batch's, and there is nothing to do */
    }
    CHECK_IS(td_batch_next(&batch, &message), 0);
    CHECK_OK(td_batch_release(&batch));
    CHECK_IS(td_batch_release(&batch), TD_ESTALE);
  }
  CHECK_EQ(seen, 100);
  CHECK_EQ(counters_of(mailbox).delivered, 100);
  CHECK_IS(td_recv_batch(mailbox, 0, 0, &batch), TD_EAGAIN);
  CHECK_IS(td_recv_batch(mailbox, TD_MS(10), 0, &batch), TD_ETIMEDOUT);
  CHECK_IS(td_recv_batch(mailbox, 0, 0, NULL), TD_EINVAL);
  CHECK_IS(td_recv_batch(mailbox, 0, 64, &batch), TD_EINVAL);
  CHECK_IS(td_recv_batch(mailbox, -3, 0, &batch), TD_EINVAL);
}

static void the_rest_goes_back_to_the_front(void) {
  td_mailbox mailbox = open_mailbox(engine);
  td_batch batch;
  td_message message;
  for (uint64_t i = 0; i < 10; i++) CHECK_OK(send_tag(mailbox, i));
  CHECK_OK(td_recv_batch(mailbox, 0, 0, &batch));
  CHECK_IS(td_batch_next(&batch, &message), 1);
  CHECK_IS(td_batch_next(&batch, &message), 1);
  CHECK_EQ(batch.cursor, 2);
  CHECK_OK(send_tag(mailbox, 10));
  CHECK_OK(td_batch_release(&batch));
  CHECK_EQ(counters_of(mailbox).delivered, 2);
  for (uint64_t i = 2; i <= 10; i++) RECV_TAG(mailbox, i, 0);
}

static void the_bytes_are_as_the_header_says(void) {
  td_mailbox mailbox = open_mailbox(engine), from = open_mailbox(engine);
  td_subscription subscription;
  td_batch batch;
  CHECK_OK(td_subscribe(mailbox, TD_STR("a.>"), NULL, &subscription));
  CHECK_OK(td_send(mailbox, from, 5, TD_STR("payload")));
  CHECK_OK(td_publish(engine, from, TD_STR("a.topic"), 6, TD_STR("xyz"), NULL, NULL));
  CHECK_OK(td_recv_batch(mailbox, 0, 0, &batch));
  CHECK_EQ(batch.count, 2);
  CHECK_EQ(sizeof(td_frame_header), 32);

  td_frame_header header = header_at(&batch, 0);
  const uint8_t *body = batch.frame + batch.offsets[0] + sizeof header;
  CHECK_EQ(header.kind, TD_KIND_MESSAGE);
  CHECK_EQ(header.flags, 0);
  CHECK_EQ(header.from, from.id);
  CHECK_EQ(header.tag, 5);
  CHECK_EQ(header.topic_size, 0);
  CHECK_TEXT(body, header.size, "payload");

  header = header_at(&batch, 1);
  body = batch.frame + batch.offsets[1] + sizeof header;
  CHECK_EQ(header.kind, TD_KIND_TOPIC);
  CHECK_EQ(header.ref, subscription.id);
  CHECK_EQ(header.tag, 6);
  CHECK_TEXT(body, header.size, "xyz");
  CHECK_TEXT(body + padded(header.size), header.topic_size, "a.topic");
  batch.cursor = batch.count; /* read without td_batch_next, as a binding does */
  CHECK_OK(td_batch_release(&batch));
  CHECK_EQ(counters_of(mailbox).delivered, 2);
  CHECK_EQ(counters_of(mailbox).queued, 0);
}

static void a_gap_says_how_many_are_missing(void) {
  td_mailbox mailbox = open_bounded(engine, TD_DROP_OLD, 3);
  td_batch batch;
  td_message message;
  for (uint64_t tag = 0; tag < 8; tag++) CHECK_OK(send_tag(mailbox, tag));
  CHECK_OK(td_recv_batch(mailbox, 0, 0, &batch));
  uint64_t lost = 0;
  uint32_t i = 0; /* gaps stand where messages are missing; two in a row add up */
  for (; header_at(&batch, i).kind == TD_KIND_GAP; i++) lost += header_at(&batch, i).tag;
  CHECK_EQ(lost, 5);
  CHECK_EQ(header_at(&batch, i).kind, TD_KIND_MESSAGE);
  CHECK_EQ(header_at(&batch, i).tag, 5);
  CHECK_IS(td_batch_next(&batch, &message), 1); /* by td_batch_next it is part of the message */
  CHECK_EQ(message.lost, 5);
  CHECK_EQ(message.tag, 5);
  CHECK_OK(td_batch_release(&batch));
  RECV_TAG(mailbox, 6, 0);
  RECV_TAG(mailbox, 7, 0);
}

static void claim_passes_over_what_was_cancelled(void) {
  td_mailbox mailbox = open_mailbox(engine), one = open_mailbox(engine), other = open_mailbox(engine);
  td_monitor_ref first, second;
  td_batch batch;
  uint32_t outcome = 0;
  CHECK_OK(td_monitor(mailbox, one, 1, &first));
  CHECK_OK(td_monitor(mailbox, other, 2, &second));
  CHECK_OK(td_mailbox_close(one));
  CHECK_OK(td_mailbox_exit(other, TD_REASON_USER + 3, TD_STR("reason")));
  CHECK_OK(td_recv_batch(mailbox, 0, 0, &batch));
  CHECK_EQ(batch.count, 2);
  CHECK_EQ(header_at(&batch, 0).kind, TD_KIND_DOWN);
  CHECK_OK(td_demonitor(first, TD_FLUSH, &outcome)); /* also out of a batch that has begun */
  CHECK_EQ(outcome, TD_WAS_FLUSHED);
  CHECK_IS(td_batch_claim(&batch, 0), 0);
  CHECK_EQ(batch.cursor, 1);
  CHECK_IS(td_batch_claim(&batch, 1), 1);
  CHECK_EQ(batch.cursor, 2);
  td_frame_header header = header_at(&batch, 1);
  CHECK_EQ(header.ref, second.id);
  CHECK_EQ(header.from, other.id);
  CHECK_EQ(header.tag, 2);
  check_body(&batch, 1, "reason");
  CHECK(header.flags & TD_FRAME_TRAILER);
  td_frame_trailer trailer;
  const uint8_t *body = batch.frame + batch.offsets[1] + sizeof header;
  memcpy(&trailer, body + padded(header.size) + padded(header.topic_size), sizeof trailer);
  CHECK_EQ(trailer.status, TD_REASON_USER + 3);
  CHECK_IS(td_batch_claim(&batch, 2), TD_EINVAL); /* there is no such entry */
  CHECK_IS(td_batch_claim(&batch, UINT32_MAX), TD_EINVAL);
  CHECK_IS(td_batch_claim(&batch, 0), TD_EINVAL); /* the cursor is past it */
  CHECK_OK(td_batch_release(&batch));
  CHECK_EQ(counters_of(mailbox).flushed, 1);
}

static void retained_views_outlive_the_batch(void) {
  td_mailbox mailbox = open_mailbox(engine);
  td_batch batch, copy;
  td_message message, none;
  for (int i = 0; i < 50; i++) CHECK_OK(td_send(mailbox, TD_NOBODY, 1, TD_STR("stays")));
  CHECK_OK(td_recv_batch(mailbox, 0, 0, &batch));
  CHECK_IS(td_batch_next(&batch, &message), 1);
  CHECK_OK(td_batch_retain(&batch, &copy));
  CHECK_IS(td_batch_next(&copy, &none), 0); /* nothing left to pass */
  batch.cursor = batch.count;
  CHECK_OK(td_batch_release(&batch));
  for (int i = 0; i < 2000; i++) CHECK_OK(td_send(mailbox, TD_NOBODY, 2, TD_STR("other")));
  CHECK_OK(td_mailbox_close(mailbox));
  CHECK_TEXT(message.data, message.data_size, "stays");
  CHECK_OK(td_batch_release(&copy));
  CHECK_IS(td_batch_release(&copy), TD_ESTALE);
}

static void nothing_more_once_the_mailbox_has_ended(void) {
  td_mailbox mailbox = open_mailbox(engine);
  td_batch batch;
  td_message message;
  for (uint64_t i = 0; i < 5; i++) CHECK_OK(send_tag(mailbox, i));
  CHECK_OK(td_recv_batch(mailbox, 0, 0, &batch));
  CHECK_IS(td_batch_next(&batch, &message), 1);
  CHECK_OK(td_mailbox_close(mailbox));
  CHECK_IS(td_batch_next(&batch, &message), 0);
  CHECK_OK(td_batch_release(&batch));
  td_mailbox_counters counters = counters_of(mailbox);
  CHECK_EQ(counters.delivered, 1);
  CHECK_EQ(counters.discarded, 4);
  CHECK_IS(td_recv_batch(mailbox, 0, 0, &batch), TD_ECLOSED);
}

static void batches_are_checked(void) {
  td_mailbox mailbox = open_mailbox(engine);
  td_batch batch, copy;
  td_message message;
  CHECK_OK(send_tag(mailbox, 1));
  CHECK_OK(td_recv_batch(mailbox, 0, 0, &batch));
  CHECK_IS(td_batch_next(NULL, &message), TD_EINVAL);
  CHECK_IS(td_batch_next(&batch, NULL), TD_EINVAL);
  CHECK_IS(td_batch_claim(NULL, 0), TD_EINVAL);
  CHECK_IS(td_batch_retain(NULL, &copy), TD_EINVAL);
  CHECK_IS(td_batch_retain(&batch, NULL), TD_EINVAL);
  CHECK_IS(td_batch_release(NULL), TD_EINVAL);
  td_batch stale = batch;
  CHECK_OK(td_batch_release(&batch));
  CHECK_IS(td_batch_release(&stale), TD_ESTALE);
  CHECK_IS(td_batch_retain(&stale, &copy), TD_ESTALE);
  CHECK_IS(td_batch_claim(&stale, 0), TD_ESTALE);
  CHECK_IS(td_batch_next(&stale, &message), TD_ESTALE);
  RECV_TAG(mailbox, 1, 0);
  memset(&stale, 0, sizeof stale);
  CHECK_FAILS(td_batch_release(&stale));
  CHECK_FAILS(td_batch_retain(&stale, &copy));
}

int main(void) {
  check_begin();
  engine = open_engine(0);
  next_walks_in_order();
  the_rest_goes_back_to_the_front();
  the_bytes_are_as_the_header_says();
  a_gap_says_how_many_are_missing();
  claim_passes_over_what_was_cancelled();
  retained_views_outlive_the_batch();
  nothing_more_once_the_mailbox_has_ended();
  batches_are_checked();
  CHECK_OK(td_engine_close(engine));
  return 0;
}
