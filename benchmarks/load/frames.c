/* WebSocket frames (RFC 6455, 5.2): masked ones out, unmasked ones in. */
#include "load.h"

int frame(unsigned char *out, const unsigned char *data, int size, int opcode, uint32_t key) {
  unsigned char mask[4];
  int h = 0;
  out[h++] = (unsigned char)(0x80 | opcode);
  if (size < 126) {
    out[h++] = (unsigned char)(0x80 | size);
  } else {
    int wide = size < 65536 ? 2 : 8;
    out[h++] = wide == 2 ? 0x80 | 126 : 0x80 | 127;
    for (int i = wide - 1; i >= 0; i--) out[h++] = (unsigned char)((u64)size >> (8 * i));
  }
  memcpy(mask, &key, 4);
  memcpy(out + h, mask, 4);
  h += 4;
  for (int i = 0; i < size; i++) out[h + i] = data[i] ^ mask[i & 3];
  return h + size;
}

/* The head is complete: read the length and the kind. */
static void headed(struct conn *c, enum check check) {
  struct frames *f = &c->frames;
  u64 length = f->head[1] & 127;
  if (length >= 126) {
    int wide = length == 126 ? 2 : 8;
    length = 0;
    for (int i = 0; i < wide; i++) length = length << 8 | f->head[2 + i];
  }
  f->length = f->left = length;
  f->opcode = f->head[0] & 15;
  f->fin = f->head[0] >> 7;
  f->need = 0;
  if (f->opcode == 8) c->closed = 1;
  if (f->head[1] & 128) bad++; /* a server must not mask (5.1) */
  if (f->opcode >= 8 || check == UNCHECKED) return;
  u64 size = (u64)opt.size;
  bad += check == WHOLE ? length != size || f->opcode != (opt.binary ? 2 : 1) || !f->fin : length < size;
}

/* Read frames, and give how many messages are complete.
   WHOLE: each is what we send. TAIL: each ends with it, as in a chat that puts a name before. */
unsigned feed(struct conn *c, const unsigned char *data, size_t size, enum check check) {
  struct frames *f = &c->frames;
  unsigned complete = 0;
  for (;;) {
    if (f->need) {
      while (size && f->have < f->need) {
        f->head[f->have++] = *data++;
        size--;
        if (f->have == 2) f->need = (f->head[1] & 127) < 126 ? 2 : (f->head[1] & 127) == 126 ? 4 : 10;
      }
      if (f->have < f->need) return complete;
      headed(c, check);
    }
    u64 n = size < f->left ? size : f->left;
    if (check != UNCHECKED && f->opcode < 8 && f->length >= (u64)opt.size) {
      u64 offset = f->length - f->left, prefix = f->length - (u64)opt.size, skip = 0;
      if (offset < prefix) skip = prefix - offset < n ? prefix - offset : n;
      bad += memcmp(data + skip, payload + (offset + skip > prefix ? offset + skip - prefix : 0), n - skip) != 0;
    }
    f->left -= n;
    data += n;
    size -= n;
    if (f->left) return complete;
    complete += f->opcode < 8 && f->fin;
    f->need = 2;
    f->have = 0;
    if (!size) return complete;
  }
}
