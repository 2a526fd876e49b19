/** The flags of Node in the images. */
export const IMAGE_FLAGS = "--max-old-space-size=96 --max-semi-space-size=8";
