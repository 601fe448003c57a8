"""Optimizers written the way public packages write theirs, on `OptimizerV2`'s hooks."""

from __future__ import annotations

import graphopt as tf

base = tf.keras.optimizers


class RectifiedAdam(base.Optimizer):
    """Own slots, own `_prepare_local`, an own hyperparameter `weight_decay`."""

    def __init__(
        self, learning_rate=0.001, weight_decay=0.0, amsgrad=False, name="RA", **kwargs
    ):
        super().__init__(name, **kwargs)
        self._set_hyper("learning_rate", kwargs.get("lr", learning_rate))
        self._set_hyper("beta_1", 0.9)
        self._set_hyper("beta_2", 0.999)
        self._set_hyper("decay", self._initial_decay)
        self._set_hyper("weight_decay", weight_decay)
        self._set_hyper("total_steps", 0)
        self.epsilon = 1e-7
        self.amsgrad = amsgrad
        self._has_weight_decay = weight_decay != 0.0

    def _create_slots(self, var_list):
        for var in var_list:
            self.add_slot(var, "m")
        for var in var_list:
            self.add_slot(var, "v")

    def _decayed_wd(self, var_dtype):
        wd = self._get_hyper("weight_decay", var_dtype)
        if isinstance(wd, base.schedules.LearningRateSchedule):
            wd = tf.cast(wd(self.iterations), var_dtype)
        return wd

    def _prepare_local(self, var_device, var_dtype, apply_state):
        super()._prepare_local(var_device, var_dtype, apply_state)
        step = tf.cast(self.iterations + 1, var_dtype)
        beta_1 = tf.identity(self._get_hyper("beta_1", var_dtype))
        beta_2 = tf.identity(self._get_hyper("beta_2", var_dtype))
        longest = 2.0 / (1.0 - beta_2) - 1.0
        power = tf.pow(beta_2, step)
        length = longest - 2.0 * step * power / (1.0 - power)
        r = tf.sqrt(
            tf.maximum(
                (length - 4.0)
                / (longest - 4.0)
                * (length - 2.0)
                / (longest - 2.0)
                * longest
                / length,
                0.0,
            )
        )
        apply_state[(var_device, var_dtype)].update(
            dict(
                beta_1_t=beta_1,
                beta_2_t=beta_2,
                m_bias=1.0 - tf.pow(beta_1, step),
                v_bias=1.0 - power,
                length=length,
                r_t=r,
                wd_t=self._decayed_wd(var_dtype),
            )
        )

    def _resource_apply_dense(self, grad, var, apply_state=None):
        device, dtype = var.device, var.dtype.base_dtype
        c = (apply_state or {}).get((device, dtype)) or self._fallback_apply_state(
            device, dtype
        )
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        m_t = m.assign(
            c["beta_1_t"] * m + (1.0 - c["beta_1_t"]) * grad,
            use_locking=self._use_locking,
        )
        v_t = v.assign(
            c["beta_2_t"] * v + (1.0 - c["beta_2_t"]) * tf.square(grad),
            use_locking=self._use_locking,
        )
        mean = m_t / c["m_bias"]
        root = tf.sqrt(v_t / c["v_bias"])
        step = tf.where(
            c["length"] >= 5.0, c["r_t"] * mean / (root + self.epsilon), mean
        )
        if self._has_weight_decay:
            step += c["wd_t"] * var
        done = var.assign_sub(c["lr_t"] * step, use_locking=self._use_locking)
        return tf.group(*[done, m_t, v_t])

    def _resource_apply_sparse(self, grad, var, indices, apply_state=None):
        dense = tf.scatter_nd(indices[:, None], grad, var.shape)
        return self._resource_apply_dense(dense, var, apply_state)

    def get_config(self):
        config = super().get_config()
        config.update(
            {
                "learning_rate": self._serialize_hyperparameter("learning_rate"),
                "weight_decay": self._serialize_hyperparameter("weight_decay"),
            }
        )
        for name in ("beta_1", "beta_2", "total_steps", "decay"):
            config.pop(name, None)
        return config


class DecoupledWeightDecay:
    """A mixin in front of an optimizer, which decays before its update."""

    def __init__(self, weight_decay, **kwargs):
        super().__init__(**kwargs)
        self._set_hyper("weight_decay", weight_decay)

    def _prepare_local(self, var_device, var_dtype, apply_state):
        super()._prepare_local(var_device, var_dtype, apply_state)
        apply_state[(var_device, var_dtype)]["wd_t"] = tf.identity(
            self._get_hyper("weight_decay", var_dtype)
        )

    def _decay_weights_op(self, var, apply_state=None):
        key = (var.device, var.dtype.base_dtype)
        c = (apply_state or {}).get(key) or self._fallback_apply_state(*key)
        return var.assign_sub(c["wd_t"] * var, self._use_locking)

    def _decay_weights_sparse_op(self, var, indices, apply_state=None):
        key = (var.device, var.dtype.base_dtype)
        c = (apply_state or {}).get(key) or self._fallback_apply_state(*key)
        return self._resource_scatter_add(
            var, indices, -c["wd_t"] * tf.gather(var, indices)
        )

    def _resource_apply_dense(self, grad, var, apply_state=None):
        with tf.control_dependencies([self._decay_weights_op(var, apply_state)]):
            return super()._resource_apply_dense(grad, var, apply_state=apply_state)

    def _resource_apply_sparse(self, grad, var, indices, apply_state=None):
        decay = self._decay_weights_sparse_op(var, indices, apply_state)
        with tf.control_dependencies([decay]):
            return super()._resource_apply_sparse(
                grad, var, indices, apply_state=apply_state
            )


class SGDW(DecoupledWeightDecay, base.SGD):
    def __init__(self, weight_decay, learning_rate=0.01, momentum=0.0, **kwargs):
        super().__init__(
            weight_decay, learning_rate=learning_rate, momentum=momentum, **kwargs
        )


class RawAdam(base.Optimizer):
    """Calls the kernels, as Keras itself does."""

    def __init__(self, learning_rate=0.001, name="RawAdam", **kwargs):
        super().__init__(name, **kwargs)
        self._set_hyper("learning_rate", learning_rate)
        self._set_hyper("beta_1", 0.9)
        self._set_hyper("beta_2", 0.999)
        self._set_hyper("average", False)

    def _create_slots(self, var_list):
        for var in var_list:
            self.add_slot(var, "m")
            self.add_slot(var, "v")

    def _resource_apply_dense(self, grad, var):
        dtype = var.dtype.base_dtype
        assert self._get_hyper("average") is False
        beta_1, beta_2 = (self._get_hyper(n, dtype) for n in ("beta_1", "beta_2"))
        step = tf.cast(self.iterations + 1, dtype)
        return tf.raw_ops.ResourceApplyAdam(
            var=var.handle,
            m=self.get_slot(var, "m").handle,
            v=self.get_slot(var, "v").handle,
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=self._decayed_lr(dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.convert_to_tensor(1e-7, dtype),
            grad=grad,
            use_locking=self._use_locking,
        )


class Lookahead(base.Optimizer):
    """An optimizer around another one, whose hyperparameters stay numbers."""

    def __init__(self, optimizer, sync_period=3, slow_step_size=0.5, **kwargs):
        super().__init__(kwargs.pop("name", "Lookahead"), **kwargs)
        self._optimizer = optimizer
        self._set_hyper("sync_period", sync_period)
        self._set_hyper("slow_step_size", slow_step_size)
        self._track_trackable(self._optimizer, "lh_base_optimizer")

    def _create_slots(self, var_list):
        self._optimizer._create_slots(var_list=var_list)
        for var in var_list:
            self.add_slot(var, "slow", initializer=var)

    def _create_hypers(self):
        self._optimizer._create_hypers()

    def _prepare(self, var_list):
        return self._optimizer._prepare(var_list=var_list)

    def apply_gradients(self, grads_and_vars, name=None, **kwargs):
        self._optimizer._iterations = self.iterations
        return super().apply_gradients(grads_and_vars, name, **kwargs)

    def _look_ahead_op(self, var):
        dtype = var.dtype.base_dtype
        slow = self.get_slot(var, "slow")
        local_step = tf.cast(self.iterations + 1, tf.int64)
        period = self._get_hyper("sync_period", tf.int64)
        back = slow + self._get_hyper("slow_step_size", dtype) * (var - slow)
        sync = tf.equal(tf.math.floordiv(local_step, period) * period, local_step)
        with tf.control_dependencies([back]):
            slow_update = slow.assign(
                tf.where(sync, back, slow), use_locking=self._use_locking
            )
            var_update = var.assign(
                tf.where(sync, back, var), use_locking=self._use_locking
            )
        return tf.group(slow_update, var_update)

    def _resource_apply_dense(self, grad, var, apply_state=None):
        kwargs = {}
        if "apply_state" in self._optimizer._dense_apply_args:
            kwargs["apply_state"] = apply_state
        train_op = self._optimizer._resource_apply_dense(grad, var, **kwargs)
        with tf.control_dependencies([train_op] if train_op is not None else []):
            ahead = self._look_ahead_op(var)
        return tf.group(train_op, ahead)

    @property
    def weights(self):
        return self._weights + self._optimizer.weights

    @property
    def learning_rate(self):
        return self._optimizer._get_hyper("learning_rate")

    @learning_rate.setter
    def learning_rate(self, value):
        self._optimizer._set_hyper("learning_rate", value)


class MovingAverage(base.Optimizer):
    """Keeps an average of each variable beside another optimizer's updates."""

    def __init__(self, optimizer, average_decay=0.9, name="MovingAverage", **kwargs):
        super().__init__(name, **kwargs)
        self._optimizer = optimizer
        self._track_trackable(self._optimizer, "awg_optimizer")
        self._set_hyper("average_decay", average_decay)

    def _create_slots(self, var_list):
        self._optimizer._create_slots(var_list=var_list)
        for var in var_list:
            self.add_slot(var, "average", var.read_value())

    def _create_hypers(self):
        self._optimizer._create_hypers()

    def _prepare_local(self, var_device, var_dtype, apply_state):
        return self._optimizer._prepare_local(var_device, var_dtype, apply_state)

    def apply_gradients(self, grads_and_vars, name=None, **kwargs):
        self._optimizer._iterations = self.iterations
        return super().apply_gradients(grads_and_vars, name, **kwargs)

    def _resource_apply_dense(self, grad, var, apply_state=None):
        train_op = self._optimizer._resource_apply_dense(
            grad, var, apply_state=apply_state
        )
        average = self.get_slot(var, "average")
        decay = self._get_hyper("average_decay", var.dtype)
        with tf.control_dependencies([train_op] if train_op is not None else []):
            moved = average.assign(
                decay * average + (1.0 - decay) * var, use_locking=self._use_locking
            )
        return tf.group(train_op, moved)

    def assign_average_vars(self, var_list):
        return tf.group([var.assign(self.get_slot(var, "average")) for var in var_list])


class LazyRows(base.Adam):
    """Works on the rows of a sparse gradient, through the scatter kernels."""

    def _resource_apply_sparse(self, grad, var, indices):
        dtype = var.dtype.base_dtype
        lr = self._decayed_lr(dtype)
        beta_1, beta_2 = (self._get_hyper(n, dtype) for n in ("beta_1", "beta_2"))
        step = tf.cast(self.iterations + 1, dtype)
        lr = lr * tf.sqrt(1 - tf.pow(beta_2, step)) / (1 - tf.pow(beta_1, step))
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        m_t = beta_1 * tf.gather(m, indices) + (1 - beta_1) * grad
        v_t = beta_2 * tf.gather(v, indices) + (1 - beta_2) * tf.square(grad)
        m_op = self._resource_scatter_update(m, indices, m_t)
        v_op = self._resource_scatter_update(v, indices, v_t)
        var_op = tf.raw_ops.ResourceScatterSub(
            resource=var.handle,
            indices=indices,
            updates=lr * m_t / (tf.sqrt(v_t) + self.epsilon),
        )
        return tf.group(*[var_op, m_op, v_op])


class WarmAdam(base.Adam):
    """Decays through `_get_lr`, as the optimizers of language models do."""

    def __init__(self, learning_rate=0.001, weight_decay_rate=0.0, name="W", **kwargs):
        super().__init__(learning_rate, name=name, **kwargs)
        self.weight_decay_rate = weight_decay_rate

    def _prepare_local(self, var_device, var_dtype, apply_state):
        super()._prepare_local(var_device, var_dtype, apply_state)
        apply_state[(var_device, var_dtype)]["weight_decay_rate"] = tf.constant(
            self.weight_decay_rate, var_dtype
        )

    def apply_gradients(self, grads_and_vars, name=None, **kwargs):
        grads, variables = list(zip(*grads_and_vars, strict=True))
        return super().apply_gradients(
            zip(grads, variables, strict=True), name=name, **kwargs
        )

    def _get_lr(self, var_device, var_dtype, apply_state):
        c = (apply_state or {}).get((var_device, var_dtype))
        if c is None:
            c = self._fallback_apply_state(var_device, var_dtype)
        return c["lr_t"], dict(apply_state=apply_state)

    def _resource_apply_dense(self, grad, var, apply_state=None):
        _, kwargs = self._get_lr(var.device, var.dtype.base_dtype, apply_state)
        c = apply_state[(var.device, var.dtype.base_dtype)]
        decay = var.assign_sub(
            self._call_if_callable(lambda: 0.1) * var * c["weight_decay_rate"],
            use_locking=self._use_locking,
        )
        with tf.control_dependencies([decay]):
            return super()._resource_apply_dense(grad, var, **kwargs)
