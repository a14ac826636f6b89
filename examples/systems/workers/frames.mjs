// Frames on a stream: each is a line with a JSON object.
// What is kept of an unfinished line is bounded. A line that is no frame is reported, and the next one is read.

const NEWLINE = 0x0a;
const NOTHING = Buffer.alloc(0);
const DEEPEST = 500; // levels of arrays and objects; some thousands could be read, but not be written
export const LARGEST = 8 * 2 ** 20; // bytes of a line

export class BadFrame extends Error {
  name = "BadFrame";
}

/** The beginning of a line, in a buffer that grows by doubling. */
class Unfinished {
  size = 0;
  #buffer = NOTHING;

  add(piece) {
    const size = this.size + piece.length;
    if (size > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(2 * size);
      this.#buffer.copy(larger, 0, 0, this.size);
      this.#buffer = larger;
    }
    piece.copy(this.#buffer, this.size);
    this.size = size;
  }
  take() {
    const line = this.#buffer.subarray(0, this.size);
    this.#buffer = NOTHING;
    this.size = 0;
    return line;
  }
}

/** The object in a line. */
function parse(line) {
  let object;
  try {
    object = JSON.parse(line.toString());
  } catch (error) {
    throw new BadFrame(`no JSON: ${error.message}`);
  }
  if (object === null || typeof object !== "object" || Array.isArray(object)) throw new BadFrame("no JSON object");
  if (line.length > 2 * DEEPEST && isDeeper(object, DEEPEST)) throw new BadFrame(`more than ${DEEPEST} levels`);
  return object;
}

function isDeeper(value, levels) {
  if (value === null || typeof value !== "object") return false;
  return levels === 0 || Object.values(value).some((member) => isDeeper(member, levels - 1));
}

/**
 * Calls `onFrame` with each object that comes from `socket`, and `onBad` with a BadFrame for each line that is none. When one of them has destroyed the
 * socket, nothing more comes.
 */
export function frames(socket, { limit = LARGEST, onFrame, onBad }) {
  const begun = new Unfinished();
  let skipping = false; // what is left of a line that is too long
  const add = (piece) => {
    if (skipping) return;
    skipping = begun.size + piece.length > limit;
    if (!skipping) return begun.add(piece);
    begun.take();
    onBad(new BadFrame(`a line of more than ${limit} bytes`));
  };
  const finish = (piece) => {
    let line = piece;
    if (skipping || begun.size > 0 || piece.length > limit) {
      add(piece);
      line = begun.take();
      skipping = false;
    }
    if (line.length === 0) return; // of a line that was too long, or an empty one, which means nothing
    let object;
    try {
      object = parse(line);
    } catch (error) {
      return onBad(error);
    }
    onFrame(object);
  };
  socket.on("data", (chunk) => {
    let begin = 0;
    for (let end; !socket.destroyed && (end = chunk.indexOf(NEWLINE, begin)) !== -1; begin = end + 1) finish(chunk.subarray(begin, end));
    if (begin < chunk.length && !socket.destroyed) add(chunk.subarray(begin));
  });
  socket.on("end", () => {
    if (begun.size > 0) onBad(new BadFrame(`the last line, of ${begun.take().length} bytes, is not finished`));
  });
}

/**
 * Writes a frame. False when the socket has enough, or takes no more at all: then the next one should wait for its "drain", for nothing bounds
 * what is written all the same. The frames of one turn leave in one piece.
 */
export function write(socket, object) {
  if (!socket.writable) return false;
  if (socket.writableCorked === 0) {
    socket.cork();
    process.nextTick(() => socket.uncork());
  }
  return socket.write(`${JSON.stringify(object)}\n`);
}
