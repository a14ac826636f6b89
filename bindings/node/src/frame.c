/* Messages on their way to JavaScript: a packet is one ArrayBuffer that holds a run of them, so that a batch costs one crossing.
 *
 *   u32 count, u32 zero, u64 lost          lost: dropped just before the first (single messages; in batches GAP entries say it)
 *   u32 offset[count], padded to 8         from the start of the packet to a td_frame_header
 *   entries as in the engine's frame       header, body, topic, trailer
 *   payloads that travelled by reference   copied here; the entry's td_frame_by_ref then holds (offset in the packet, size)
 *
 * Guarantees: nothing in a packet points outside it. A packet takes as many messages as fit in PACKET_SIZE, and at least one, so a batch
 * of large payloads does not become one huge buffer. lib/message.js reads packets; the machine is little-endian, as every one that the
 * library supports is. */
#include <string.h>
#include "addon.h"

#define PACKET_SIZE (1u << 20)

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "packets are read as little-endian"
#endif
_Static_assert(sizeof(td_frame_header) == 32 && sizeof(td_frame_by_ref) == 24 && sizeof(td_frame_trailer) == 32, "lib/message.js");

typedef struct start { uint32_t count, zero; uint64_t lost; } start;

static size_t pad8(size_t n) { return (n + 7) & ~(size_t)7; }

static td_frame_header header_at(const td_batch *batch, uint32_t i) {
  td_frame_header h;
  memcpy(&h, batch->frame + batch->offsets[i], sizeof h);
  return h;
}

static size_t entry_size(const td_frame_header *h) {
  return sizeof *h + pad8(h->size) + pad8(h->topic_size) + ((h->flags & TD_FRAME_TRAILER) != 0 ? sizeof(td_frame_trailer) : 0);
}

static td_frame_by_ref by_ref_at(const td_batch *batch, uint32_t i) {
  td_frame_by_ref ref;
  memcpy(&ref, batch->frame + batch->offsets[i] + sizeof(td_frame_header), sizeof ref);
  return ref;
}

/* How many entries from `from` go into one packet, and how much they need. */
static uint32_t measure(const td_batch *batch, uint32_t from, size_t *entries, size_t *payloads) {
  *entries = *payloads = 0;
  uint32_t i = from;
  for (; i < batch->count; i++) {
    td_frame_header h = header_at(batch, i);
    size_t entry = entry_size(&h);
    size_t body = (h.flags & TD_FRAME_BY_REF) != 0 ? pad8((size_t)by_ref_at(batch, i).data_size) : 0;
    if (i > from && *entries + *payloads + entry + body > PACKET_SIZE) break;
    *entries += entry;
    *payloads += body;
  }
  return i - from;
}

napi_status packet_of_batch(napi_env env, const td_batch *batch, uint32_t from, uint32_t *count, napi_value *out) {
  size_t entries, payloads;
  uint32_t n = measure(batch, from, &entries, &payloads);
  size_t table = sizeof(start) + pad8((size_t)n * 4);
  unsigned char *packet;
  napi_status status = napi_create_arraybuffer(env, table + entries + payloads, (void **)&packet, out);
  if (status != napi_ok) return status;
  memcpy(packet, &(start){n, 0, 0}, sizeof(start));
  uint32_t *offsets = (uint32_t *)(void *)(packet + sizeof(start));
  size_t at = table, payload_at = table + entries;
  size_t run_from = 0, run_size = 0, run_to = at; /* neighbours in the frame are copied together */
  for (uint32_t i = 0; i < n; i++) {
    td_frame_header h = header_at(batch, from + i);
    size_t size = entry_size(&h), in_frame = batch->offsets[from + i];
    offsets[i] = (uint32_t)at;
    if (in_frame != run_from + run_size) {
      memcpy(packet + run_to, batch->frame + run_from, run_size);
      run_from = in_frame, run_size = 0, run_to = at;
    }
    run_size += size;
    at += size;
  }
  memcpy(packet + run_to, batch->frame + run_from, run_size);
  for (uint32_t i = 0; payloads != 0 && i < n; i++) {
    td_frame_header h = header_at(batch, from + i);
    if ((h.flags & TD_FRAME_BY_REF) == 0) continue;
    td_frame_by_ref ref = by_ref_at(batch, from + i);
    memcpy(packet + payload_at, ref.data, (size_t)ref.data_size);
    uint64_t place[3] = {payload_at, ref.data_size, 0};
    memcpy(packet + offsets[i] + sizeof h, place, sizeof place);
    payload_at += pad8((size_t)ref.data_size);
  }
  *count = n;
  return napi_ok;
}

napi_status packet_of_message(napi_env env, const td_message *m, napi_value *out) {
  size_t table = sizeof(start) + 8;
  size_t size = table + sizeof(td_frame_header) + sizeof(td_frame_by_ref) + pad8(m->topic_size) + sizeof(td_frame_trailer);
  unsigned char *packet;
  napi_status status = napi_create_arraybuffer(env, size + m->data_size, (void **)&packet, out);
  if (status != napi_ok) return status;
  memcpy(packet, &(start){1, 0, m->lost}, sizeof(start));
  uint32_t offset = (uint32_t)table;
  memcpy(packet + sizeof(start), &offset, sizeof offset);
  td_frame_header h = {sizeof(td_frame_by_ref), (uint8_t)m->kind, TD_FRAME_BY_REF | TD_FRAME_TRAILER, (uint16_t)m->topic_size,
                       m->from.id, m->tag, m->ref};
  uint64_t place[3] = {size, m->data_size, 0};
  td_frame_trailer t = {m->deadline, m->status, 0, {m->info[0], m->info[1]}};
  unsigned char *at = packet + table;
  memcpy(at, &h, sizeof h);
  memcpy(at += sizeof h, place, sizeof place);
  if (m->topic_size != 0) memcpy(at + sizeof place, m->topic, m->topic_size);
  memcpy(at + sizeof place + pad8(m->topic_size), &t, sizeof t);
  if (m->data_size != 0) memcpy(packet + size, m->data, m->data_size);
  return napi_ok;
}

/* One entry of a packet as the message it was; its data and topic are the packet's. False when there is no such entry. */
bool message_of_packet(const unsigned char *packet, size_t size, uint32_t at, td_message *out) {
  td_frame_header h;
  td_frame_by_ref place;
  td_frame_trailer trailer = {.deadline = TD_FOREVER};
  if (at % 8 != 0 || at > size || size - at < sizeof h) return false;
  memcpy(&h, packet + at, sizeof h);
  if (size - at < entry_size(&h)) return false;
  const unsigned char *body = packet + at + sizeof h, *topic = body + pad8(h.size);
  *out = (td_message){.kind = h.kind, .data = body, .data_size = h.size, .from = {h.from}, .tag = h.tag, .ref = h.ref};
  if ((h.flags & TD_FRAME_BY_REF) != 0) {
    memcpy(&place, body, sizeof place);
    uint64_t begin = (uint64_t)(uintptr_t)place.data;
    if (begin > size || size - begin < place.data_size) return false;
    out->data = packet + begin;
    out->data_size = (size_t)place.data_size;
  }
  if ((h.flags & TD_FRAME_TRAILER) != 0) memcpy(&trailer, topic + pad8(h.topic_size), sizeof trailer);
  out->topic = (const char *)topic;
  out->topic_size = h.topic_size;
  out->deadline = trailer.deadline;
  out->status = trailer.status;
  memcpy(out->info, trailer.info, sizeof out->info);
  return true;
}
