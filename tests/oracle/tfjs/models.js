// What TF.js itself says to models.py's models, and a model that TF.js itself saves; by hand.
//
//   NODE_PATH=.../node_modules node models.js OUT
//
// Needs @tensorflow/tfjs.  Writes OUT/expected.json: the probabilities of each folder for pixels.json divided by 255.
// Keras 3's topology is not read by TF.js (it says batch_shape); its answer is that of the same weights of Keras 2.
const fs = require('fs');
const path = require('path');
const tf = require('@tensorflow/tfjs');

const out = process.argv[2];

function fromFolder(folder) {
  return {
    load: async () => {
      const model = JSON.parse(fs.readFileSync(path.join(folder, 'model.json'), 'utf8'));
      const parts = [], specs = [];
      for (const group of model.weightsManifest) {
        specs.push(...group.weights);
        for (const name of group.paths) parts.push(fs.readFileSync(path.join(folder, name)));
      }
      const all = Buffer.concat(parts);
      return {
        modelTopology: model.modelTopology, weightSpecs: specs,
        weightData: all.buffer.slice(all.byteOffset, all.byteOffset + all.length)
      };
    }
  };
}

// As a browser's download does it: one file, "./NAME.weights.bin".
function toFolder(folder) {
  return {
    save: async (model) => {
      fs.mkdirSync(folder, {recursive: true});
      const text = {
        modelTopology: model.modelTopology, format: model.format, generatedBy: model.generatedBy,
        convertedBy: model.convertedBy, weightsManifest: [{paths: ['./small.weights.bin'], weights: model.weightSpecs}]
      };
      fs.writeFileSync(path.join(folder, 'small.weights.bin'), Buffer.from(model.weightData));
      fs.writeFileSync(path.join(folder, 'model.json'), JSON.stringify(text));
      return {modelArtifactsInfo: {dateSaved: new Date(0), modelTopologyType: 'JSON'}};
    }
  };
}

function ownModel(height, width) {
  const init = (seed) => tf.initializers.randomNormal({stddev: 0.3, seed});
  const net = tf.sequential();
  net.add(tf.layers.conv2d({inputShape: [height, width, 3], filters: 4, kernelSize: 3, strides: 2, padding: 'same',
                            kernelInitializer: init(1), activation: 'relu'}));
  net.add(tf.layers.batchNormalization({movingVarianceInitializer: 'ones', betaInitializer: init(2)}));
  net.add(tf.layers.maxPooling2d({poolSize: 2}));
  net.add(tf.layers.conv2d({filters: 5, kernelSize: [1, 2], kernelInitializer: init(3), biasInitializer: init(4)}));
  net.add(tf.layers.reLU());
  net.add(tf.layers.globalAveragePooling2d({}));
  net.add(tf.layers.dense({units: 3, kernelInitializer: init(5), biasInitializer: init(6), activation: 'softmax'}));
  return net;
}

async function main() {
  await tf.setBackend('cpu');
  const pixels = JSON.parse(fs.readFileSync(path.join(out, 'pixels.json'), 'utf8'));
  await ownModel(pixels.length, pixels[0].length).save(toFolder(path.join(out, 'tfjs')));
  const input = tf.tensor4d([pixels]).div(255);
  const expected = {};
  for (const name of fs.readdirSync(out).sort()) {
    if (!fs.existsSync(path.join(out, name, 'model.json')) || name.startsWith('keras3')) continue;
    const model = await tf.loadLayersModel(fromFolder(path.join(out, name)));
    expected[name] = Array.from(model.predict(input).dataSync());
  }
  expected.keras3_uint8 = expected.keras2_uint8;
  fs.writeFileSync(path.join(out, 'expected.json'), JSON.stringify(expected, null, 1) + '\n');
  console.log(expected);
}

main();
