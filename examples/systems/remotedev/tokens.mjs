// Who a client is, signed: JSON web tokens with the errors that SocketCluster's clients know.
import { randomBytes } from "node:crypto";
import jwt from "jsonwebtoken";
import errors from "sc-errors";

const ALGORITHM = "HS256";

export class Tokens {
  #key;
  #expiry;

  constructor({ authKey = randomBytes(32).toString("hex"), authDefaultExpiry = 86_400 } = {}) {
    this.#key = authKey;
    this.#expiry = authDefaultExpiry;
  }

  sign(claims, { expiresIn = this.#expiry } = {}) {
    return jwt.sign(claims, this.#key, { algorithm: ALGORITHM, ...(claims.exp === undefined && { expiresIn }) });
  }

  /** The claims; throws what is wrong with them. */
  verify(signed) {
    try {
      return jwt.verify(signed, this.#key, { algorithms: [ALGORITHM] });
    } catch (error) {
      if (error.name === "TokenExpiredError") throw new errors.AuthTokenExpiredError(error.message, error.expiredAt);
      if (error.name === "NotBeforeError") throw new errors.AuthTokenNotBeforeError(error.message, error.date);
      if (error.name === "JsonWebTokenError") throw new errors.AuthTokenInvalidError(error.message);
      throw new errors.AuthTokenError(error.message);
    }
  }
}
