/** A body that is read while it is sent. */
export interface StreamedBody {
  readonly contentType: string;
  /** Of the whole body. */
  readonly bytes: number;
  /** From the start each time. */
  open(): AsyncIterable<Uint8Array>;
}
