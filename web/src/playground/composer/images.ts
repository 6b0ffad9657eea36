export const MAX_IMAGES = 8;
const MAX_BYTES = 4_000_000; // a request body has at most 8 MiB, and base64 takes a third more

/** An image file as a `data:` address. Throws `Error` with a sentence for the user. */
export async function readImage(file: File): Promise<string> {
  if (!/^image\/(png|jpeg|webp|gif)$/.test(file.type)) throw new Error(`${file.name} is not a PNG, JPEG, WebP or GIF image.`);
  if (file.size > MAX_BYTES) throw new Error(`${file.name} is larger than 4 MB.`);
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(new Error(`${file.name} cannot be read.`));
    reader.readAsDataURL(file);
  });
}
