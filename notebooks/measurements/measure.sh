#!/bin/sh
# Trains and measures the nine networks: sh measure.sh DATA RUNS, with the files of data.py in DATA.
set -e
data=$1
runs=$2
here=$(dirname "$0")

measure() {
  name=$1
  shift
  interdyn measure --out "$runs/$name" --experiment "$name" --float32 --overwrite "$@"
  cp "$runs/$name/measurement.npz" "$here/$name.npz"
}

measure digits-mlp --seeds 3 --samples 24 --epochs 0,1,2,3,4,6,8,11,16,32,64,128,256,512

for name in digits-cnn digits-transformer breast-cancer-mlp; do
  measure $name --seeds 3 --samples 8 --epochs 0,1,2,4,8,16,32,64,128,256,512
done

images="--data $data/mnist.npz --test-fraction 0.6 --seeds 3 --samples 8"
measure image-vgg $images --epochs 0,1,2,3,4,6,8,12,16,32,64
measure image-vit $images --epochs 0,1,2,4,6,8,12,16,32,64,128

texts="--data $data/sentences.csv --test-fraction 0.6 --seeds 3 --samples 8"
measure text-gru $texts --epochs 0,1,2,3,4,6,8,12,16,24,32
measure text-transformer $texts --epochs 0,1,2,3,4,5,6,8,10,12,16

measure points-pointnet --data "$data/shapes.npz" --seeds 3 --samples 8 \
  --epochs 0,1,2,4,8,16,32,48,64,96,128
